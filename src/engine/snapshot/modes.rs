//! Permission bits that a tree cannot say: those other than the umask gives.

pub(super) use crate::base::file::umask;

/// The bits of a regular file where they are not those that a new file would get.
pub(super) fn unusual(permissions: u32, umask: u32) -> Option<u32> {
    let usual = if permissions & 0o100 == 0 { 0o666 } else { 0o777 } & !umask;
    (permissions != usual).then_some(permissions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bits_that_a_new_file_would_not_get_are_unusual() {
        assert_eq!(unusual(0o644, 0o022), None);
        assert_eq!(unusual(0o755, 0o022), None);
        assert_eq!(unusual(0o600, 0o022), Some(0o600));
        assert_eq!(unusual(0o4755, 0o022), Some(0o4755));
        assert_eq!(unusual(0o664, 0o002), None);
    }
}
