//! A step of a fix: words, and perhaps a command to paste.

/// Its words, and the command at its end. No command has a backtick in it: see
/// [`crate::shell`].
pub(crate) fn parts(step: &str) -> (&str, Option<&str>) {
    let ended = step.strip_suffix('`');
    match ended.and_then(|step| step.rsplit_once('`')) {
        Some((words, command)) => (words.trim_end(), Some(command)),
        None => (step, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_at_the_end_is_found() {
        assert_eq!(parts("look: `ip r`"), ("look:", Some("ip r")));
        assert_eq!(parts("`ip r` and look"), ("`ip r` and look", None));
        assert_eq!(parts("`a` or `b`"), ("`a` or", Some("b")));
        assert_eq!(parts("`"), ("`", None));
        assert_eq!(parts(""), ("", None));
    }
}
