//! How long work tells a person that it goes on. The library counts; only the command line draws.

/// Something that shows how far work has come. Calls are cheap and may come from several threads.
pub trait Progress: Send + Sync {
    /// A piece of work starts: what is done, and of how many steps where that is known.
    fn start(&self, what: &str, total: Option<u64>);
    /// So many steps are done.
    fn advance(&self, steps: u64);
    /// The piece of work is over; nothing of it stays on the screen.
    fn finish(&self);
}

/// Shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn start(&self, _what: &str, _total: Option<u64>) {}
    fn advance(&self, _steps: u64) {}
    fn finish(&self) {}
}
