//! The question section: raw as the kernel copied it, parsed when needed.

use domain::base::iana::Class;
use domain::base::iana::Rtype;
use domain::base::name::Name;
use domain::dep::octseq::Parser;

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
        let mut parser = Parser::from_ref(&*self.0);
        // Of 255 octets at the most (RFC 1035 section 2.3.4).
        let labels = Name::parse(&mut parser).ok()?;
        let rtype = Rtype::parse(&mut parser).ok()?;
        let class = Class::parse(&mut parser).ok()?;
        let mut name = String::with_capacity(64);
        for label in labels.iter().filter(|label| !label.is_root()) {
            if !name.is_empty() {
                name.push('.');
            }
            names::push_label(&mut name, label.as_ref());
        }
        if name.is_empty() {
            name.push('.');
        }
        Some(Question {
            name,
            rtype,
            class,
            wire_len: parser.pos(),
        })
    }
}

#[cfg(test)]
mod tests;
