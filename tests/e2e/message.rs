//! DNS messages, made and read octet by octet: the tests must be able to send
//! what no library would, and must not share kerno's view of them.

/// Types by number (RFC 1035, RFC 3596).
pub(crate) const A: u16 = 1;
pub(crate) const TXT: u16 = 16;

/// A name as labels: `www.kerno.test` or what no person would write.
pub(crate) type Labels = Vec<Vec<u8>>;

/// An ordinary name's labels.
pub(crate) fn labels(name: &str) -> Labels {
    name.split('.')
        .map(|label| label.as_bytes().to_vec())
        .collect()
}

/// A query with recursion desired.
pub(crate) fn query(id: u16, name: &Labels, kind: u16) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend([0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name {
        message.push(u8::try_from(label.len()).expect("a label"));
        message.extend(label);
    }
    message.push(0);
    message.extend(kind.to_be_bytes());
    message.extend([0, 1]);
    message
}

/// The answer to a query: the same, with QR set and a rcode, and no record.
pub(crate) fn answer(query: &[u8], rcode: u8) -> Vec<u8> {
    let mut message = query.to_vec();
    message[2] |= 0x80;
    message[3] = 0x80 | rcode;
    // Whatever the query had after its question (EDNS) is not repeated.
    message[6..12].fill(0);
    message.truncate(question_end(query));
    message
}

/// With an OPT record that carries the upper eight bits of the rcode, RFC 6891
/// section 6.1.3.
pub(crate) fn with_extended_rcode(mut answer: Vec<u8>, rcode: u16) -> Vec<u8> {
    let [upper, lower] = (rcode << 4).to_be_bytes();
    answer[3] = (answer[3] & 0xf0) | (lower >> 4);
    answer[11] = 1;
    answer.extend([0, 0, 41, 4, 208, upper, 0, 0, 0, 0, 0]);
    answer
}

/// With an OPT record that carries an Extended DNS Error, RFC 8914 section 2.
pub(crate) fn with_extended_error(mut answer: Vec<u8>, code: u16) -> Vec<u8> {
    let [upper, lower] = code.to_be_bytes();
    answer[11] = 1;
    answer.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 6]);
    answer.extend([0, 15, 0, 2, upper, lower]);
    answer
}

/// The first label of what is asked.
pub(crate) fn first_label(query: &[u8]) -> String {
    let len = usize::from(query[12]);
    String::from_utf8_lossy(&query[13..13 + len]).into_owned()
}

/// As TCP carries it: RFC 1035 section 4.2.2.
pub(crate) fn with_length(message: &[u8]) -> Vec<u8> {
    let len = u16::try_from(message.len()).expect("a message");
    [&len.to_be_bytes(), message].concat()
}

fn question_end(message: &[u8]) -> usize {
    let mut at = 12;
    while message[at] != 0 {
        at += 1 + usize::from(message[at]);
    }
    at + 5
}

/// Reads a name in presentation form, RFC 1035 section 5.1: `\DDD` is an octet
/// in decimal, `\X` is X without its special meaning.
pub(crate) fn read_presentation(text: &str) -> Labels {
    let mut name = vec![Vec::new()];
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        match octet {
            b'.' => name.push(Vec::new()),
            b'\\' => {
                let next = octets.next().expect("something after a backslash");
                let octet = if next.is_ascii_digit() {
                    let rest = [octets.next(), octets.next()].map(|d| d.expect("three digits"));
                    let digits = [next, rest[0], rest[1]];
                    let digits = std::str::from_utf8(&digits).expect("digits");
                    digits.parse().expect("an octet")
                } else {
                    next
                };
                name.last_mut().expect("a label").push(octet);
            }
            _ => name.last_mut().expect("a label").push(octet),
        }
    }
    name
}
