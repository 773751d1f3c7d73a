//! Names for numbers, and printable forms of bytes that strangers chose.

use std::fmt;
use std::fmt::Write as _;

use domain::base::iana::ExtendedErrorCode;
use domain::base::iana::OptRcode;

/// Appends a label in presentation form (RFC 1035 section 5.1): `\X` before
/// what is special in a master file, `\DDD` for what is not printable ASCII.
pub fn push_label(to: &mut String, label: &[u8]) {
    for &octet in label {
        match octet {
            b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => {
                to.push('\\');
                to.push(char::from(octet));
            }
            0x21..=0x7e => to.push(char::from(octet)),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(to, "\\{octet:03}");
            }
        }
    }
}

/// Writes bytes for a human: printable UTF-8 as it is, and control characters,
/// invisible ones and broken UTF-8 as `\xNN`. A backslash becomes `\\`, so the
/// form is reversible.
pub fn write_printable(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    write_visible(f, bytes, "\\\\")
}

/// The same as text, with a backslash as it is: for names of control groups and
/// units, in which systemd writes `\x2d` for a hyphen.
pub fn visible(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    // Writing to a String cannot fail.
    let _ = write_visible(&mut text, bytes, "\\");
    text
}

fn write_visible(to: &mut impl fmt::Write, bytes: &[u8], backslash: &str) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => to.write_str(backslash)?,
                c if is_visible(c) => to.write_char(c)?,
                c => write_escaped(to, c.encode_utf8(&mut [0; 4]).as_bytes())?,
            }
        }
        write_escaped(to, chunk.invalid())?;
    }
    Ok(())
}

fn write_escaped(to: &mut impl fmt::Write, bytes: &[u8]) -> fmt::Result {
    bytes
        .iter()
        .try_for_each(|byte| write!(to, "\\x{byte:02x}"))
}

/// Nothing that a terminal obeys, and none of the marks that hide text there (zero-width
/// characters, the byte order mark).
pub(crate) fn is_visible(c: char) -> bool {
    !is_obeyed(c)
        && !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Control characters, and marks that reorder the text around them (Unicode Bidi_Control).
pub(crate) fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}')
}

/// IANA name of a response code (RFC 6895 section 2.3), else the number.
pub fn rcode(rcode: OptRcode) -> String {
    let name = rcode.to_mnemonic_str();
    name.map_or_else(|| rcode.to_int().to_string(), str::to_owned)
}

/// IANA name of an Extended DNS Error (RFC 8914 section 4), with its number.
pub fn extended_error(code: u16) -> String {
    let name = ExtendedErrorCode::from_int(code).to_mnemonic_str();
    match name {
        Some(name) => format!("{name} ({code})"),
        None => code.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_codes_have_their_iana_names() {
        let cases = [
            (0, "NOERROR"),
            (2, "SERVFAIL"),
            (3, "NXDOMAIN"),
            (5, "REFUSED"),
            (10, "NOTZONE"),
            (11, "11"),
            (16, "BADVERS"),
            (23, "BADCOOKIE"),
            (4095, "4095"),
        ];
        for (number, name) in cases {
            assert_eq!(rcode(OptRcode::masked_from_int(number)), name);
        }
    }

    #[test]
    fn extended_errors_have_their_iana_names() {
        assert_eq!(extended_error(6), "DNSSEC Bogus (6)");
        assert_eq!(extended_error(22), "No Reachable Authority (22)");
        assert_eq!(extended_error(49_152), "49152");
    }

    struct Printable<'a>(&'a [u8]);

    impl fmt::Display for Printable<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write_printable(f, self.0)
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        let cases: [(&[u8], &str); 6] = [
            (b"nginx: worker", "nginx: worker"),
            ("gr\u{fc}n".as_bytes(), "gr\u{fc}n"),
            (b"\x1b[31m", "\\x1b[31m"),
            (b"a\\b", "a\\\\b"),
            (b"\xff\xfe", "\\xff\\xfe"),
            ("\u{202e}x".as_bytes(), "\\xe2\\x80\\xaex"),
        ];
        for (bytes, shown) in cases {
            assert_eq!(Printable(bytes).to_string(), shown);
        }
    }
}
