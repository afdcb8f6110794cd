//! Recording a checkpoint: what the present state of files and conversation adds to a session. Used by every verb that saves.
//!
//! A [`Recording`] is begun on a session's tip (or on none), collects changes, and is finished by one append.

use std::path::Path;

use super::net_changes::NetChanges;
use super::state_record::StateChange;
use super::{App, Caller, Result, outside, state_file, state_record, transcript};
use crate::agents::{self, Agent, Parsed, ParsedTurn};
use crate::base::progress::Silent;
use crate::base::supplied::{self, Links};
use crate::base::{RepoPath, SessionId};
use crate::engine::store::{Appended, Draft, DraftCode, Extras, Tip};
use crate::engine::stream::{self, Check, Source};
use crate::engine::{Snapshot, binding, layout, local, snapshot, store};
use crate::features::state::duration;
use crate::git::tree::{self, Edit};
use crate::git::{FileMode, Head, Oid};
use crate::model::checkpoint::Movement;
use crate::model::session::{AgentInfo, Usage};
use crate::model::snapshot::Modes;
use crate::model::{Kind, Scope, Session, TurnRow, codec};

/// A checkpoint in the making.
#[derive(Debug)]
pub struct Recording {
    /// The tip it goes on; `None` begins a session.
    pub tip: Option<Tip>,
    /// The record as it will be.
    pub session: Session,
    /// Rows as they will be, of all streams; only the last ones after [`Recording::on_tail`].
    pub rows: Vec<TurnRow>,
    /// Rows before those in `rows`, which were not read.
    unread: Unread,
    /// HEAD now.
    pub head: Head,
    code: Option<DraftCode>,
    edits: Vec<Edit>,
    dirty_rows: Vec<usize>,
    /// What the live stream's new bytes hold, from the byte at which they were read.
    pub parsed: Option<Parsed>,
    /// What the state takes from elsewhere than the conversation.
    pub state: StateChange,
}

/// What the checkpoint is for.
#[derive(Clone, Debug)]
pub struct Purpose {
    /// Why.
    pub kind: Kind,
    /// The turn.
    pub turn: Option<u32>,
    /// First line of the prompt, or a title.
    pub title: String,
    /// What a rewind or redo did.
    pub movement: Option<Movement>,
    /// On a fork's first checkpoint.
    pub parent_session: Option<SessionId>,
    /// Append without news too.
    pub always: bool,
}

impl Purpose {
    /// A checkpoint of a kind, made only for news.
    pub fn new(kind: Kind, turn: Option<u32>, title: impl Into<String>) -> Self {
        Self { kind, turn, title: title.into(), movement: None, parent_session: None, always: false }
    }

    /// Made in any case.
    #[must_use]
    pub const fn always(mut self) -> Self {
        self.always = true;
        self
    }
}

/// Rows that a recording did not read, with what they count for in the live stream.
#[derive(Clone, Copy, Debug, Default)]
struct Unread {
    rows: u32,
    turns: u32,
    usage: Usage,
}

/// How many of the last rows tell where the next turn begins: the last one, and the end of the one before it.
const TAIL_ROWS: u32 = 2;

impl Recording {
    /// Goes on with a session.
    pub fn on(app: &App<'_>, tip: Tip) -> Result<Self> {
        let rows = layout::read_rows(&app.repo.objects, tip.checkpoint.meta_tree, &tip.session, 0)?;
        Self::with_rows(app, tip, rows, Unread::default())
    }

    /// Goes on with a session at the end of its live stream `native`. Only its last rows are read, so that the hooks of
    /// a turn cost the same after a thousand turns. Where they are of another stream, all rows are.
    pub fn on_tail(app: &App<'_>, tip: Tip, native: &str) -> Result<Self> {
        let session = &tip.session;
        let from = session.rows.saturating_sub(TAIL_ROWS);
        let rows = layout::read_rows(&app.repo.objects, tip.checkpoint.meta_tree, session, from)?;
        let is_live = session.agent.live.as_deref() == Some(native) && rows.iter().all(|r| r.stream == native);
        if !is_live {
            return Self::on(app, tip);
        }
        let (turns, usage) = live_counts(session, &rows);
        let unread = Unread {
            rows: from,
            turns: session.turns.saturating_sub(turns),
            usage: session.usage.saturating_sub(usage),
        };
        Self::with_rows(app, tip, rows, unread)
    }

    fn with_rows(app: &App<'_>, tip: Tip, rows: Vec<TurnRow>, unread: Unread) -> Result<Self> {
        Ok(Self {
            session: Session {
                worktree: app.repo.worktree_name(),
                clone: Some(local::clone_id(&app.repo, &app.ids)?),
                ..tip.session.clone()
            },
            rows,
            unread,
            head: app.repo.head()?,
            code: None,
            edits: Vec::new(),
            dirty_rows: Vec::new(),
            parsed: None,
            state: StateChange::default(),
            tip: Some(tip),
        })
    }

    /// Begins a session.
    pub fn begin(app: &App<'_>, id: SessionId, agent: &str) -> Result<Self> {
        let now = app.now();
        let root = app.repo.work_dir()?;
        let name = |p: &Path| p.file_name().unwrap_or(p.as_os_str()).to_string_lossy().into_owned();
        let session = Session {
            id,
            label: Some(super::label::next(app)?),
            name: None,
            title: None,
            title_source: None,
            agent: AgentInfo { kind: agent.to_owned(), ..AgentInfo::default() },
            model: None,
            mode: None,
            lineage: None,
            project: name(root),
            cwd: app.cwd.to_string_lossy().into_owned(),
            worktree: app.repo.worktree_name(),
            clone: Some(local::clone_id(&app.repo, &app.ids)?),
            created_at: now,
            updated_at: now,
            ended_at: None,
            streams: Vec::new(),
            rows: 0,
            turns: 0,
            usage: Usage::default(),
            active_ms: 0,
            extra: serde_json::Map::new(),
        };
        Ok(Self {
            tip: None,
            session,
            rows: Vec::new(),
            unread: Unread::default(),
            head: app.repo.head()?,
            code: None,
            edits: Vec::new(),
            dirty_rows: Vec::new(),
            parsed: None,
            state: StateChange::default(),
        })
    }

    /// The adapter of the session's agent.
    pub fn agent(&self) -> Option<&'static dyn Agent> {
        agents::of_session(&self.session.agent.kind)
    }

    /// The number that the checkpoint will have.
    pub fn number(&self) -> u64 {
        self.tip.as_ref().map_or(1, |t| t.checkpoint.number + 1)
    }

    /// Captures the files: the whole tree, or only named paths. Returns the snapshot for callers that plan with it.
    pub fn capture_code(&mut self, app: &App<'_>, only: Option<Vec<RepoPath>>) -> Result<Snapshot> {
        let hinted = only.is_some();
        let previous = self.tip.as_ref().map(|t| t.code_tree);
        let taken = snapshot::take(&app.repo, previous, &app.snapshot_options(only)?, &Silent)?;
        let extras = (!hinted).then(|| Extras::of(&taken));
        let (skipped, passed) = (taken.skipped.clone(), taken.passed.clone());
        self.code = Some(DraftCode { passed, tree: taken.tree, scope: taken.scope, skipped, extras });
        Ok(taken)
    }

    /// The session tree as it would be, with what was captured of the conversation and the files; writes objects, moves nothing.
    pub fn draft_tree(&self, app: &App<'_>, taken: &Snapshot) -> Result<Oid> {
        let objects = &app.repo.objects;
        let file = |bytes: Vec<u8>| -> Result<_> { Ok(Some((FileMode::File, objects.write_blob(&bytes)?))) };
        let mut edits = self.edits.clone();
        let session = Session { rows: self.place(self.rows.len()), ..self.session.clone() };
        edits.push((layout::session()?, file(codec::encode("session.json", &session)?)?));
        edits.push((layout::modes()?, file(codec::encode("modes", &Modes::new(taken.umask, &taken.modes))?)?));
        let rules = if taken.exclude.is_empty() { None } else { file(taken.exclude.clone())? };
        edits.push((layout::exclude()?, rules));
        for at in &self.dirty_rows {
            let bytes = codec::encode("a turn row", &self.rows[*at])?;
            edits.push((layout::row(self.place(*at))?, file(bytes)?));
        }
        let start = self.tip.as_ref().map_or_else(|| objects.format().empty_tree(), |tip| tip.checkpoint.meta_tree);
        Ok(tree::edit(objects, start, edits)?)
    }

    /// The place of a row among all rows.
    fn place(&self, at: usize) -> u32 {
        self.unread.rows.saturating_add(u32::try_from(at).unwrap_or(u32::MAX))
    }

    /// The tree of the code as captured; `None` where it was not looked at.
    pub fn code_tree(&self) -> Option<Oid> {
        self.code.as_ref().map(|code| code.tree)
    }

    /// Corrects what was captured: its tree, its index.
    pub fn correct_code(&mut self, tree: Option<Oid>, index: Option<snapshot::IndexState>) {
        let Some(code) = &mut self.code else { return };
        code.tree = tree.unwrap_or(code.tree);
        if let (Some(extras), Some(index)) = (&mut code.extras, index) {
            extras.index = index;
        }
    }

    /// Says that less was looked at than the capture did.
    pub fn set_scope(&mut self, scope: Scope) {
        if let Some(code) = &mut self.code {
            code.scope = scope;
        }
    }

    /// Takes over the code of another checkpoint, which the files were just brought to.
    pub fn set_code(&mut self, code: DraftCode) {
        self.code = Some(code);
    }

    /// Stores what the agent's transcript `native`, lying at `file`, has grown by. A file that is not there yet is no error;
    /// in a hook one that cannot be read is a line of the log.
    ///
    /// The live stream stays what it is: one that a chat rewind left may still grow (its agent ends, say), and must not
    /// undo the rewind by that. A prompt makes its stream live.
    pub fn capture_chat(&mut self, app: &App<'_>, native: &str, file: Option<&Path>, check: Check) -> Result<()> {
        self.session.add_native_id(native);
        let live = self.session.agent.live.get_or_insert_with(|| native.to_owned()) == native;
        let Some(file) = file else { return Ok(()) };
        if live {
            self.session.agent.transcript_path = Some(file.to_string_lossy().into_owned());
        }
        match self.read_transcript(app, native, file, check) {
            // The files are to be saved all the same, and a hook has nobody to tell.
            Err(e) if e.is_about_a_file() && (app.caller != Caller::Explicit || e.code.starts_with("file.")) => {
                Ok(local::log(&app.repo, app.now(), &e.to_string())?)
            }
            read => read,
        }
    }

    fn read_transcript(&mut self, app: &App<'_>, native: &str, file: &Path, check: Check) -> Result<()> {
        let known = binding::of(&app.repo, native)?;
        // The conversation of another session, whatever the record of this one says.
        if known.as_ref().is_some_and(|known| known.session != self.session.id) {
            return Ok(());
        }
        // Another inode means that the agent wrote its file anew, perhaps with another middle.
        let inode = std::fs::symlink_metadata(file).ok().map(|m| std::os::unix::fs::MetadataExt::ino(&m));
        let agent = self.agent().unwrap_or(&agents::generic::Generic);
        let is_known = known.as_ref().is_some_and(|known| known.inode.is_some() && known.inode == inode);
        // What was taken once and is the same file is not judged again.
        if !(is_known && self.session.stream(native).is_some_and(|stream| stream.bytes > 0))
            && let Some(problem) = transcript::problem(app, agent, file)
        {
            return Ok(local::log(&app.repo, app.now(), &problem)?);
        }
        let check = if known.as_ref().is_none_or(|k| k.inode != inode) { Check::Full } else { check };
        self.store_stream(app, native, &Source::File(file), check)?;
        for companion in agent.companions(file) {
            if let Some(problem) = transcript::beside(&companion.path, file) {
                local::log(&app.repo, app.now(), &problem)?;
                continue;
            }
            let id = format!("{native}.{}", companion.part);
            let size = std::fs::metadata(&companion.path).map_or(0, |m| m.len());
            let is_stored = self.session.stream(&id).is_some_and(|s| s.bytes == size);
            if !(companion.is_final && is_stored && check == Check::Tail) {
                self.store_stream(app, &id, &Source::File(&companion.path), check)?;
            }
        }
        let transcript = Some(file.to_owned());
        let now = binding::Native { session: self.session.id, transcript, inode, resumes: None };
        binding::stored(&app.repo, native, &now)?;
        self.parse_new(app, file, native)
    }

    /// Stores one stream; whether anything was new. A file that does not exist is as good as empty.
    pub fn store_stream(&mut self, app: &App<'_>, id: &str, source: &Source<'_>, check: Check) -> Result<bool> {
        let tree = self.tip.as_ref().map(|t| t.checkpoint.meta_tree);
        let stored = self.session.stream(id).cloned();
        // Only what the tip holds can be compared with.
        let stored = stored.filter(|s| self.tip.as_ref().is_some_and(|t| t.session.stream(id) == Some(s)));
        let update = match stream::prepare(&app.repo.objects, tree, stored.as_ref(), id, source, check) {
            Ok(update) => update,
            Err(crate::engine::Error::Base(e)) if e.is_not_found() => return Ok(false),
            Err(e) => return Err(e.into()),
        };
        let Some(update) = update else { return Ok(false) };
        self.edits.extend(update.edits);
        match self.session.streams.iter_mut().find(|s| s.id == id) {
            Some(have) => *have = update.stream,
            None => self.session.streams.push(update.stream),
        }
        Ok(true)
    }

    /// Reads the turns that the file holds after those that are closed.
    fn parse_new(&mut self, app: &App<'_>, file: &Path, native: &str) -> Result<()> {
        let Some(agent) = self.agent() else { return Ok(()) };
        let Some(stream) = self.session.stream(native) else { return Ok(()) };
        // From the start of the last turn: its counts are made anew, so that a message that came in two parts counts once.
        let mut rows = self.rows.iter().filter(|r| r.stream == native).rev();
        let from = match rows.next() {
            Some(last) if last.is_open() => rows.next().and_then(|r| r.end).unwrap_or(0),
            Some(last) => last.start,
            None => 0,
        };
        let from = if from > stream.bytes { 0 } else { from };
        let from = from.max(stream.bytes.saturating_sub(PARSED));
        let (from, bytes) = read_lines(file, from, stream.bytes)?;
        let mut parsed = agent.parse(&bytes, from);
        for turn in parsed.turns.iter_mut().chain([&mut parsed.before]) {
            turn.outside = outside::of(app, &app.cwd, &turn.files)?;
            let below = app.inside(&app.cwd, &turn.files)?;
            turn.files = below.iter().map(|path| path.to_path().to_owned()).collect();
        }
        if self.session.agent.live.as_deref() == Some(native) {
            // Turns that were copied from another stream were noted there.
            let own =
                |t: &&ParsedTurn| !self.rows.iter().any(|r| r.stream != native && r.key.is_some() && r.key == t.key);
            let turns = std::iter::once(&parsed.before).chain(parsed.turns.iter().filter(own));
            self.state.notes = turns.flat_map(|t| t.notes.iter().cloned()).collect();
        }
        self.parsed = Some(parsed);
        Ok(())
    }

    /// Places in `rows` of the rows of the live stream.
    pub fn live_rows(&self) -> Vec<usize> {
        layout::live_rows(&self.session, &self.rows).into_iter().map(|(n, _)| n as usize).collect()
    }

    /// The place of a stream's last row.
    pub fn last_row(&self, stream: &str) -> Option<usize> {
        layout::rows_of(stream, &self.rows).last().map(|(n, _)| *n as usize)
    }

    /// The place of a stream's last row, where that turn is open.
    pub fn open_row(&self, stream: &str) -> Option<usize> {
        self.last_row(stream).filter(|n| self.rows[*n].is_open())
    }

    /// The place of the live stream's last row, where that turn is open.
    pub fn open_live_row(&self) -> Option<usize> {
        self.session.agent.live.as_deref().and_then(|live| self.open_row(live))
    }

    /// Adds a row.
    pub fn push_row(&mut self, row: TurnRow) {
        self.rows.push(row);
        self.dirty_rows.push(self.rows.len() - 1);
    }

    /// Takes the last row out again: a session that goes on without that turn.
    pub fn withdraw_last_row(&mut self) -> Result<()> {
        if self.rows.pop().is_some() {
            let at = self.rows.len();
            self.dirty_rows.retain(|dirty| *dirty != at);
            self.edits.push((layout::row(self.place(at))?, None));
        }
        Ok(())
    }

    /// The row at a place, to be changed.
    pub fn row_mut(&mut self, at: usize) -> &mut TurnRow {
        if !self.dirty_rows.contains(&at) {
            self.dirty_rows.push(at);
        }
        &mut self.rows[at]
    }

    /// Recounts what is derived from the live rows.
    fn refresh_live(&mut self) {
        let (turns, usage) = live_counts(&self.session, &self.rows);
        self.session.turns = self.unread.turns + turns;
        self.session.usage = self.unread.usage;
        self.session.usage += usage;
    }

    /// Appends the checkpoint. Without news everything stays as it was. What is to be said of the state file is logged.
    pub fn finish(self, app: &App<'_>, purpose: Purpose) -> Result<Appended> {
        let (appended, notices) = self.finish_and_tell(app, purpose)?;
        for notice in notices {
            local::log(&app.repo, app.now(), &notice)?;
        }
        Ok(appended)
    }

    /// [`Recording::finish`], handing over what is to be said of the state file.
    pub fn finish_and_tell(mut self, app: &App<'_>, purpose: Purpose) -> Result<(Appended, Vec<String>)> {
        self.refresh_live();
        let mut notices = Vec::new();
        // A tool's checkpoint takes over the state too.
        let mut changes = (purpose.kind != Kind::Tool).then(|| NetChanges::load(app)).transpose()?;
        if let Some(changes) = &mut changes {
            state_file::take_in(app, &mut self, &mut notices)?;
            self.edits.extend(state_record::advance(app, &self, changes)?);
        }
        let demanded = self.state.write_file;
        self.session.rows = self.place(self.rows.len());
        self.dirty_rows.sort_unstable();
        for at in &self.dirty_rows {
            let bytes = codec::encode("a turn row", &self.rows[*at])?;
            let blob = app.repo.objects.write_blob(&bytes)?;
            let place = layout::row(self.place(*at))?;
            self.edits.push((place, Some((FileMode::File, blob))));
        }
        // A clock that was set back sets no session back.
        let now = app.now().max(self.session.created_at).max(self.session.updated_at);
        self.session.active_ms += duration::active_between(self.session.updated_at, now);
        self.session.updated_at = now;
        let draft = Draft {
            kind: purpose.kind,
            turn: purpose.turn,
            code: self.code,
            head: self.head,
            movement: purpose.movement,
            parent_session: purpose.parent_session,
            title: purpose.title,
            session: self.session,
            edits: self.edits,
            now,
            always: purpose.always,
        };
        let appended = store::append(&app.repo, &mut app.writers()?, self.tip.as_ref(), draft)?;
        if let Some(mut changes) = changes {
            state_file::follow(app, &appended.tip, demanded, &mut changes, &mut notices)?;
            if let Err(failure) = changes.keep(app) {
                notices.push(format!("changes of the session: {failure}"));
            }
        }
        Ok((appended, notices))
    }
}

/// How many turns these rows are in the live stream, and what they used.
fn live_counts(session: &Session, rows: &[TurnRow]) -> (u32, Usage) {
    let live = layout::live_rows(session, rows);
    let mut usage = Usage::default();
    for (_, row) in &live {
        usage += row.tokens;
    }
    (u32::try_from(live.len()).unwrap_or(u32::MAX), usage)
}

/// Bytes of a transcript that are looked into at once. Of a turn that is longer the end is.
pub(super) const PARSED: u64 = 64 << 20;

/// The lines of a file between two places, and where they begin: at the first place, or behind the line that it is within.
pub(super) fn read_lines(file: &Path, from: u64, to: u64) -> Result<(u64, Vec<u8>)> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let io = || crate::base::Error::io("read the transcript", file);
    let mut open = supplied::open(file, Links::Refuse)?;
    let before = from.saturating_sub(1);
    open.seek(SeekFrom::Start(before)).map_err(io())?;
    let length = to.saturating_sub(before);
    let mut bytes = supplied::bounded(open.take(length), length, length).map_err(io())?;
    if from == 0 {
        return Ok((0, bytes));
    }
    let skipped = bytes.iter().position(|b| *b == b'\n').map_or(bytes.len(), |at| at + 1);
    bytes.drain(..skipped);
    Ok((before + skipped as u64, bytes))
}
