//! The question section: raw as the kernel copied it, parsed when needed.

use domain::base::iana::Class;
use domain::base::iana::Rtype;
use domain::base::name::Label;

use super::names;

/// The octets of a DNS message from the question section on, as many as the
/// kernel copied (at most a longest name, type and class). Untrusted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RawQuestion(Box<[u8]>);

/// A parsed question.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// Presentation form, escaped as in RFC 1035 section 5.1, case as sent, no
    /// final dot; the root is `.`.
    pub name: String,
    /// Type of the question; written `TYPE65280` where IANA has no name (RFC 3597
    /// section 5).
    pub rtype: Rtype,
    /// Class of the question; written `CLASS65280` where IANA has no name.
    pub class: Class,
    /// Octets that the question takes in the message.
    pub wire_len: usize,
}

impl RawQuestion {
    /// Keeps a copy of the octets.
    pub fn new(octets: &[u8]) -> Self {
        Self(octets.into())
    }

    /// The octets as they came.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The question, or `None` if the octets hold no complete one: a message
    /// without a question, a truncated copy, a compression pointer (there is
    /// nothing before the question that it could point to), or junk.
    pub fn parse(&self) -> Option<Question> {
        // RFC 1035 section 2.3.4: 255 octets with the root label.
        const NAME_MAX: usize = 255;
        let mut rest = &self.0[..];
        let mut name = String::with_capacity(64);
        loop {
            let (label, after) = Label::split_from(rest).ok()?;
            rest = after;
            if self.0.len() - rest.len() > NAME_MAX {
                return None;
            }
            if label.is_root() {
                break;
            }
            if !name.is_empty() {
                name.push('.');
            }
            names::push_label(&mut name, label.as_ref());
        }
        if name.is_empty() {
            name.push('.');
        }
        let (fixed, after) = rest.split_at_checked(4)?;
        Some(Question {
            name,
            rtype: Rtype::from_int(u16::from_be_bytes([fixed[0], fixed[1]])),
            class: Class::from_int(u16::from_be_bytes([fixed[2], fixed[3]])),
            wire_len: self.0.len() - after.len(),
        })
    }
}

#[cfg(test)]
mod tests;
