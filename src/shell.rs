//! Commands that a report offers to paste into a shell, as root.
//!
//! Strangers choose the names in them: of control groups, units, programs and
//! DNS names. Whatever a name is, the shell must read it as one word, and as the
//! same word. So every command with a value in it is made here, and a value that
//! cannot be quoted for sure leaves its command out.

use std::ffi::OsStr;

/// Octets of a value. A DNS name has 1,020 at most when each octet is escaped; the
/// path of a container's control group has about 250.
const VALUE_MAX: usize = 1_024;

/// A command, or nothing if one of its values cannot stand in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command(Option<String>);

impl Command {
    /// Begins with shell text that stands in the source: nothing that a stranger
    /// chose lives that long.
    pub fn new(written: &'static str) -> Self {
        Self(Some(written.to_owned()))
    }

    /// Goes on with such text.
    pub fn and(self, written: &'static str) -> Self {
        self.then(Self::new(written))
    }

    /// Goes on with a value, quoted if need be. One that begins with `-` would be
    /// read as an option, and no quoting helps against that.
    pub fn word(self, value: impl AsRef<OsStr>) -> Self {
        let value = value.as_ref();
        let is_option = value.as_encoded_bytes().starts_with(b"-");
        self.then(Self(quote(value).filter(|_| !is_option)))
    }

    /// Goes on with the text of another command.
    pub fn then(self, next: Self) -> Self {
        let both = self.0.zip(next.0);
        Self(both.map(|(first, second)| format!("{first} {second}")))
    }

    /// Itself, or the other one if it had to be left out.
    pub fn or(self, other: Self) -> Self {
        Self(self.0.or(other.0))
    }

    /// What to paste.
    pub fn text(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

/// The value as one word of a POSIX shell (XCU section 2.2.2). `None` if the
/// reader would not see what is pasted, or shells do not agree on it:
///
/// - anything but printable ASCII: a terminal obeys some of it, hides or
///   reorders some, and what is shown escaped is another name;
/// - a backtick: it ends the command in the fixes of a report;
/// - `'` together with `\`: fish takes `\'` within quotes for a quote.
fn quote(value: &OsStr) -> Option<String> {
    let value = value.to_str()?;
    let printable = value
        .bytes()
        .all(|b| (b' '..=b'~').contains(&b) && b != b'`');
    let torn = value.contains('\'') && value.contains('\\');
    if value.is_empty() || value.len() > VALUE_MAX || !printable || torn {
        return None;
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&b);
    // zsh looks up `=name` as a program.
    if value.bytes().all(plain) && !value.starts_with('=') {
        return Some(value.to_owned());
    }
    Some(format!("'{}'", value.replace('\'', r"'\''")))
}

/// The parts of a command between which a line may be broken: never within
/// quotes.
pub fn words(command: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut begin, mut within, mut escaped) = (0, None, false);
    for (at, c) in command.char_indices() {
        match (c, within) {
            _ if escaped => escaped = false,
            ('\\', None | Some('"')) => escaped = true,
            ('\'' | '"', None) => within = Some(c),
            (quote, Some(open)) if quote == open => within = None,
            (' ', None) => {
                words.push(&command[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    words.push(&command[begin..]);
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests;
