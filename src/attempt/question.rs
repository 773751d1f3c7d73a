//! The question section: raw as the kernel copied it, parsed when needed.

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use domain::base::iana::Class;
use domain::base::iana::Rtype;
use domain::base::name::Name;
use domain::dep::octseq::Parser;

use super::Fingerprint;
use super::Shape;
use super::names;

/// The octets of a DNS message from the question section on, as many as the
/// kernel copied (at most a longest name, type and class). Untrusted. Where its name is not
/// to be kept, what it is compared by.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RawQuestion {
    octets: Box<[u8]>,
    unnamed: Option<Box<Unnamed>>,
}

/// What is left of a question whose name is not kept.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq, Hash)]
struct Unnamed {
    fingerprint: Option<Fingerprint>,
    shape: Option<Shape>,
}

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
        Self {
            octets: octets.into(),
            unnamed: None,
        }
    }

    /// The octets as they came; none if its name is not kept.
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets
    }

    /// Which question it is.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        match &self.unnamed {
            Some(unnamed) => unnamed.fingerprint,
            None => Fingerprint::of(&self.octets),
        }
    }

    /// What can be seen of the query.
    pub fn shape(&self) -> Option<Shape> {
        match &self.unnamed {
            Some(unnamed) => unnamed.shape,
            None => Shape::of(&self.octets),
        }
    }

    /// Takes its name out of it; it is still the same question as others with that name.
    pub fn forget_name(&mut self) {
        let unnamed = Unnamed {
            fingerprint: self.fingerprint(),
            shape: self.shape(),
        };
        *self = Self {
            octets: Box::default(),
            unnamed: Some(Box::new(unnamed)),
        };
    }

    /// The question, or `None` if the octets hold no complete one: a message
    /// without a question, a truncated copy, a compression pointer (there is
    /// nothing before the question that it could point to), or junk.
    pub fn parse(&self) -> Option<Question> {
        let mut parser = Parser::from_ref(&*self.octets);
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
