//! The name as the program meant it: what all names that a search list made of it have
//! in common.

use std::hash::BuildHasher as _;
use std::sync::OnceLock;

use foldhash::fast::RandomState;

use crate::attempt::names;

/// Longest name in octets, with the root label: RFC 1035 section 2.3.4.
const NAME_MAX: usize = 255;

/// The octets of a question's name without the root label; `None` if it is cut.
fn labels(question: &[u8]) -> Option<&[u8]> {
    let mut end = 0;
    loop {
        let len = usize::from(*question.get(end)?);
        if len == 0 {
            return question.get(..end);
        }
        if len > 63 || end + len + 2 > NAME_MAX {
            return None;
        }
        end += len + 1;
    }
}

/// Of the first label, whatever its case: all names of one lookup share it.
pub(super) fn first_label(question: &[u8]) -> u64 {
    // Keyed at random: whoever chooses names must not choose collisions.
    static STATE: OnceLock<RandomState> = OnceLock::new();
    let len = question.first().map_or(0, |len| usize::from(len & 63));
    let mut folded = [0; 64];
    if let Some(label) = question.get(..len + 1) {
        folded[..len + 1].copy_from_slice(label);
        folded[..len + 1].make_ascii_lowercase();
    }
    STATE
        .get_or_init(RandomState::default)
        .hash_one(&folded[..len + 1])
}

/// A name, or the labels that several have in common; the case as it was sent first.
#[derive(Clone, Debug, Default)]
pub(super) struct Meant {
    octets: Vec<u8>,
    is_known: bool,
}

impl Meant {
    pub(super) fn clear(&mut self) {
        self.octets.clear();
        self.is_known = false;
    }

    /// One more name of the lookup.
    pub(super) fn add(&mut self, question: &[u8]) {
        let Some(name) = labels(question) else {
            return;
        };
        if !self.is_known {
            self.is_known = true;
            self.octets.extend_from_slice(name);
            return;
        }
        let common = common(&self.octets, name);
        self.octets.truncate(common);
    }

    /// The same of a name that was added up elsewhere.
    pub(super) fn absorb(&mut self, other: &Self) {
        match (self.is_known, other.is_known) {
            (_, false) => {}
            (false, true) => self.clone_from(other),
            (true, true) => {
                let common = common(&self.octets, &other.octets);
                self.octets.truncate(common);
            }
        }
    }

    /// Whether a name begins as it does.
    pub(super) fn is_like(&self, question: &[u8]) -> bool {
        labels(question).is_some_and(|name| common(&self.octets, name) > 0)
    }

    /// In presentation form, the root as `.`; `None` if no name is known.
    pub(super) fn told(&self) -> Option<String> {
        let mut told = String::with_capacity(self.octets.len());
        let mut rest = &self.octets[..];
        while let Some((len, behind)) = rest.split_first() {
            let (label, next) = behind.split_at_checked(usize::from(*len))?;
            if !told.is_empty() {
                told.push('.');
            }
            names::push_label(&mut told, label);
            rest = next;
        }
        if told.is_empty() {
            told.push('.');
        }
        self.is_known.then_some(told)
    }
}

/// Octets of the labels that both begin with.
fn common(one: &[u8], other: &[u8]) -> usize {
    let mut end = 0;
    while let Some(len) = one.get(end) {
        let next = end + usize::from(*len) + 1;
        match (one.get(end..next), other.get(end..next)) {
            (Some(a), Some(b)) if a.eq_ignore_ascii_case(b) => end = next,
            _ => break,
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(names: &[&[u8]]) -> Option<String> {
        let mut meant = Meant::default();
        names.iter().for_each(|name| meant.add(name));
        meant.told()
    }

    #[test]
    fn it_is_what_all_names_begin_with() {
        let cases: [(&[&[u8]], &str); 6] = [
            (&[b"\x02db\x01a\0", b"\x02DB\x01b\0", b"\x02db\0"], "db"),
            (&[b"\x02db\x01a\0"], "db.a"),
            (&[b"\x03api\x02gh\x01x\0", b"\x03api\x02gh\0"], "api.gh"),
            (&[b"\0"], "."),
            (&[b"\x03a.b\0"], "a\\.b"),
            // Part of a label is none.
            (&[b"\x01x\x03web\0", b"\x01x\x04webs\0"], "x"),
        ];
        for (names, expected) in cases {
            assert_eq!(meant(names).as_deref(), Some(expected), "{names:?}");
        }
        assert_eq!(meant(&[b"\x03cu"]), None);
    }

    #[test]
    fn the_first_label_counts_whatever_its_case() {
        assert_eq!(first_label(b"\x02Db\x01a\0"), first_label(b"\x02dB\x01b\0"));
        assert_ne!(first_label(b"\x02db\0"), first_label(b"\x02da\0"));
        for junk in [&b""[..], b"\x3f", b"\xff\xff", b"\xc0\x0c"] {
            let _any = first_label(junk);
        }
    }
}
