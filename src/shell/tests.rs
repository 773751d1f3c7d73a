//! What is quoted, and that a shell agrees.

use std::process;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn quoted(value: &str) -> Option<String> {
    quote(OsStr::new(value))
}

#[test]
fn what_needs_no_quotes_has_none() {
    for plain in [
        "4242",
        "@2001:db8::1",
        "/proc/7/root/etc/resolv.conf",
        "/sys/fs/cgroup/system.slice/sshd@1.service/cpu.max",
        "net.netfilter.nf_conntrack_max=262144",
        "_dmarc.example.com",
        "50%",
    ] {
        assert_eq!(quoted(plain).as_deref(), Some(plain));
    }
}

#[test]
fn what_a_shell_would_obey_is_quoted() {
    for (value, word) in [
        ("sport = :53", "'sport = :53'"),
        ("$(id >&2);reboot", "'$(id >&2);reboot'"),
        ("it's", r"'it'\''s'"),
        ("'", r"''\'''"),
        (r"a\x2db.service", r"'a\x2db.service'"),
        ("a  b", "'a  b'"),
        ("*?[a]{b,c}", "'*?[a]{b,c}'"),
        ("~root", "'~root'"),
        ("a=~", "'a=~'"),
        ("=ls", "'=ls'"),
        ("#", "'#'"),
        ("!!", "'!!'"),
    ] {
        assert_eq!(quoted(value).as_deref(), Some(word));
    }
}

#[test]
fn what_cannot_be_quoted_for_sure_is_left_out() {
    let long = "x".repeat(VALUE_MAX + 1);
    for value in [
        "",
        "a\nreboot",
        "a\0",
        "\x1b[2J",
        "\x7f",
        "`reboot`",
        "a\u{202e}b",
        "a\u{200b}b",
        "a\u{2028}b",
        "a\u{a0}b",
        "gr\u{fc}n",
        r"\';reboot;'",
        &long,
    ] {
        assert_eq!(quoted(value), None, "{value:?}");
    }
    // An octet that is no UTF-8.
    use std::os::unix::ffi::OsStrExt as _;
    assert_eq!(quote(OsStr::from_bytes(b"a\xff")), None);
    assert_eq!(quoted(&long[1..]).as_deref(), Some(&long[1..]));
}

#[test]
fn a_command_lacks_nothing_or_is_none() {
    let watch = |comm| Command::new("kerno watch").word(comm).and("--failed");
    assert_eq!(watch("a b").text(), Some("kerno watch 'a b' --failed"));
    assert_eq!(watch("a\n").text(), None);
    assert_eq!(watch("").text(), None);
    assert_eq!(watch("--pid=1").text(), None, "it would be an option");
    assert_eq!(watch("a\n").or(watch("b")).text(), watch("b").text());
    assert_eq!(Command::new("nsenter").then(watch("\x07")).text(), None);
}

#[test]
fn a_command_is_broken_only_between_its_words() {
    for (command, parts) in [
        ("dig  . SOA", vec!["dig", ".", "SOA"]),
        ("ss 'sport = :53'", vec!["ss", "'sport = :53'"]),
        (r"cat 'it'\''s a' b", vec!["cat", r"'it'\''s a'", "b"]),
        (
            "nsenter -t \"$(lsns -n | head -1)\" -n",
            vec!["nsenter", "-t", "\"$(lsns -n | head -1)\"", "-n"],
        ),
    ] {
        assert_eq!(words(command), parts);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        // Each case starts a shell.
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_shell_reads_the_value_that_was_quoted(
        values in vec(vec(prop_oneof![any::<u8>(), b' '..=b'~', Just(b'\'')], 0..20), 1..20),
    ) {
        use std::os::unix::ffi::OsStrExt as _;
        let words = values.iter().filter_map(|value| Some((value, quote(OsStr::from_bytes(value))?)));
        let (kept, words): (Vec<_>, Vec<_>) = words.unzip();
        // Nothing that got loose finds a program.
        let script = format!("printf '%s\\0' begin {}", words.join(" "));
        let shell = process::Command::new("/bin/sh").env("PATH", "/nonexistent").args(["-c", &script]).output();
        let shell = shell.expect("a shell");
        let expected: Vec<u8> = [&b"begin"[..]]
            .into_iter()
            .chain(kept.iter().map(|value| &value[..]))
            .flat_map(|value| [value, b"\0"].concat())
            .collect();
        prop_assert_eq!(shell.stdout, expected, "{}", script);
        prop_assert_eq!(shell.stderr, b"");
        for word in words {
            prop_assert_eq!(super::words(&word), [&word[..]]);
        }
    }
}
