//! DNS messages to put into packets.

/// QR bit: an answer (RFC 1035 section 4.1.1).
pub(super) const QR: u16 = 0x8000;
/// TC bit.
pub(super) const TC: u16 = 0x0200;
/// RD bit, which every stub resolver sets.
pub(super) const RD: u16 = 0x0100;
pub(super) const HEADER_LEN: usize = 12;

#[derive(Clone, Debug)]
pub(super) struct Dns {
    pub(super) id: u16,
    pub(super) flags: u16,
    /// Questions, answers, authorities, additionals.
    pub(super) counts: [u16; 4],
    /// What follows the header.
    pub(super) body: Vec<u8>,
}

impl Dns {
    /// A query for the addresses of a name.
    pub(super) fn query(id: u16, name: &str) -> Self {
        Self {
            id,
            flags: RD,
            counts: [1, 0, 0, 0],
            body: question(name),
        }
    }

    /// A query without a question (RFC 7873 section 5.4).
    pub(super) fn header(id: u16) -> Self {
        Self {
            id,
            flags: RD,
            counts: [0; 4],
            body: Vec::new(),
        }
    }

    /// A query message of exactly `len` octets: a name as long as fits (255
    /// octets at most), then padding as EDNS has it (RFC 7830).
    pub(super) fn query_of_len(id: u16, len: usize) -> Self {
        let mut body = Vec::new();
        let room = len - HEADER_LEN;
        if room >= 5 {
            let name_len = (room - 4).min(255);
            push_name_of_len(&mut body, name_len);
            body.extend([0, 1, 0, 1]);
        }
        body.resize(room, 0xee);
        Self {
            id,
            flags: RD,
            counts: [u16::from(room >= 5), 0, 0, 0],
            body,
        }
    }

    /// An answer to this query, with its question and one address.
    pub(super) fn answer(&self, rcode: u16) -> Self {
        let mut body = self.body.clone();
        // A pointer to the question's name, A, IN, one minute, an address.
        body.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
        Self {
            id: self.id,
            flags: self.flags | QR | rcode,
            counts: [1, 1, 0, 0],
            body,
        }
    }

    /// An answer with nothing but the question and an OPT record with `options`
    /// octets behind its fixed part; the response code has twelve bits.
    pub(super) fn edns_error(&self, rcode: u16, options: &[u8]) -> Self {
        let mut body = self.body.clone();
        let upper = (rcode >> 4) as u8;
        body.extend([0, 0, 41, 0x04, 0xd0, upper, 0, 0, 0]);
        body.extend((options.len() as u16).to_be_bytes());
        body.extend(options);
        Self {
            id: self.id,
            flags: self.flags | QR | (rcode & 15),
            counts: [1, 0, 0, 1],
            body,
        }
    }

    /// The message with its length before it (RFC 1035 section 4.2.2).
    pub(super) fn prefixed(&self) -> Vec<u8> {
        let message = self.bytes();
        let mut bytes = (message.len() as u16).to_be_bytes().to_vec();
        bytes.extend(message);
        bytes
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_LEN + self.body.len());
        bytes.extend(self.id.to_be_bytes());
        bytes.extend(self.flags.to_be_bytes());
        for count in self.counts {
            bytes.extend(count.to_be_bytes());
        }
        bytes.extend(&self.body);
        bytes
    }
}

/// Name, type A, class IN.
pub(super) fn question(name: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        octets.push(label.len() as u8);
        octets.extend(label.as_bytes());
    }
    octets.extend([0, 0, 1, 0, 1]);
    octets
}

/// A name that takes `len` octets, 1 or 3 and more; 2 can't be and gives 1.
fn push_name_of_len(octets: &mut Vec<u8>, len: usize) {
    let mut left = len - 1;
    while left > 1 {
        // 63 octets at most, and never so that a single octet is left.
        let mut label = (left - 1).min(63);
        if left - 1 - label == 1 {
            label -= 1;
        }
        octets.push(label as u8);
        octets.resize(octets.len() + label, b'x');
        left -= 1 + label;
    }
    octets.push(0);
}
