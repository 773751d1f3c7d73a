//! Names from the wire are hostile.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Labels as a question section for AAAA, IN.
fn wire(labels: &[Vec<u8>]) -> Vec<u8> {
    let mut octets = Vec::new();
    for label in labels {
        octets.push(label.len() as u8);
        octets.extend(label);
    }
    octets.extend([0, 0, 28, 0, 1]);
    octets
}

fn parse(octets: &[u8]) -> Option<Question> {
    RawQuestion::new(octets).parse()
}

/// The labels behind a presentation form, by RFC 1035 section 5.1.
fn unescape(name: &str) -> Vec<Vec<u8>> {
    if name == "." {
        return Vec::new();
    }
    let mut labels = vec![Vec::new()];
    let mut octets = name.bytes();
    while let Some(octet) = octets.next() {
        let octet = match octet {
            b'.' => {
                labels.push(Vec::new());
                continue;
            }
            b'\\' => match octets.next().expect("something is escaped") {
                digit if digit.is_ascii_digit() => {
                    let mut number = u16::from(digit - b'0');
                    for _ in 0..2 {
                        let digit = octets.next().expect("three digits");
                        assert!(digit.is_ascii_digit(), "{name}");
                        number = number * 10 + u16::from(digit - b'0');
                    }
                    u8::try_from(number).expect("an octet")
                }
                escaped => escaped,
            },
            plain => plain,
        };
        labels.last_mut().expect("a label").push(octet);
    }
    labels
}

#[test]
fn names_are_shown_as_sent() {
    let cases: [(&[u8], &str); 8] = [
        (b"\0", "."),
        (b"\x03wWw\x07eXample\0", "wWw.eXample"),
        (b"\x03a.b\x01c\0", "a\\.b.c"),
        (b"\x05a b\tc\0", "a\\032b\\009c"),
        (b"\x04\"();\x02@$\0", "\\\"\\(\\)\\;.\\@\\$"),
        (b"\x03\\\0\xff\0", "\\\\\\000\\255"),
        (b"\x04\x1b[2J\0", "\\027[2J"),
        (b"\x05_dmar\x02c3\0", "_dmar.c3"),
    ];
    for (name, shown) in cases {
        let question = parse(&[name, &[0xff, 0x00, 0, 1]].concat()).expect("a question");
        assert_eq!(question.name, shown);
        assert_eq!(question.rtype, Rtype::from_int(65280));
        assert_eq!(question.class, Class::IN);
        assert_eq!(question.wire_len, name.len() + 4);
    }
}

#[test]
fn a_name_has_255_octets_at_most() {
    let label = |len: usize| vec![b'x'; len];
    // With its lengths and the root: 4 * 64 - 1 = 255, and one more.
    let longest = [label(63), label(63), label(63), label(61)];
    let octets = wire(&longest);
    assert_eq!(octets.len(), 255 + 4);
    assert_eq!(parse(&octets).expect("a question").wire_len, 259);
    let too_long = [label(63), label(63), label(63), label(62)];
    assert_eq!(parse(&wire(&too_long)), None);
    assert_eq!(
        parse(&wire(&vec![label(1); 127])).map(|q| q.wire_len),
        Some(259)
    );
    assert_eq!(parse(&wire(&vec![label(1); 128])), None);
}

#[test]
fn what_is_no_complete_question_is_none() {
    let whole = wire(&[b"www".to_vec(), b"example".to_vec()]);
    for len in 0..whole.len() {
        assert_eq!(parse(&whole[..len]), None, "{len} octets");
    }
    // Compression pointers: to the header, to itself, behind a label.
    for pointer in [
        &b"\xc0\x0c\0\x01\0\x01"[..],
        b"\xc0\0\0\x01\0\x01",
        b"\x01a\xc0\x0c\0\x01\0\x01",
    ] {
        assert_eq!(parse(pointer), None);
    }
    // Label types that nobody uses (RFC 6891 section 5).
    for kind in 0x40..=0xff_u8 {
        assert_eq!(parse(&[&[kind][..], &[0; 200]].concat()), None, "{kind:#x}");
    }
}

#[test]
fn types_and_classes_have_their_iana_names() {
    let types = [28, 65, 65280].map(|number| Rtype::from_int(number).to_string());
    assert_eq!(types, ["AAAA", "HTTPS", "TYPE65280"]);
    let classes = [1, 65280].map(|number| Class::from_int(number).to_string());
    assert_eq!(classes, ["IN", "CLASS65280"]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_octets_give_nothing_or_a_printable_question(octets in vec(any::<u8>(), 0..300)) {
        if let Some(question) = parse(&octets) {
            prop_assert!(question.wire_len <= octets.len().min(259));
            prop_assert!(question.name.bytes().all(|octet| octet.is_ascii_graphic()));
            let labels = unescape(&question.name);
            let name: usize = labels.iter().map(|label| label.len() + 1).sum();
            prop_assert_eq!(name + 1 + 4, question.wire_len);
        }
    }

    #[test]
    fn names_round_trip(
        labels in vec(vec(any::<u8>(), 1..=63), 0..6),
        behind in vec(any::<u8>(), 0..20),
    ) {
        let octets = wire(&labels);
        let question = parse(&[&octets[..], &behind].concat());
        if octets.len() > 259 {
            prop_assert_eq!(question, None);
        } else {
            let question = question.expect("a good question");
            prop_assert_eq!(unescape(&question.name), labels);
            prop_assert_eq!(question.wire_len, octets.len());
        }
    }
}
