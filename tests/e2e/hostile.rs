//! Names that are made to harm whoever prints them.

use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;

use crate::ask::ask;
use crate::message;
use crate::message::Labels;
use crate::message::labels;
use crate::message::read_presentation;
use crate::process::finish;
use crate::site::SERVER_V4;
use crate::site::Site;

#[test]
fn root_hostile_names_come_back_octet_by_octet() {
    let site = Site::new();
    let _unbound = site.unbound();
    let mut watch = site.watch(&[]);
    let names: Vec<Labels> = hostile_labels()
        .into_iter()
        .map(|first| [vec![first], labels(&site.zone)].concat())
        .chain([longest(&site.zone)])
        .collect();
    for (id, name) in (0..).zip(&names) {
        ask(
            &site.client,
            SocketAddr::new(SERVER_V4, 53),
            &message::query(id, name, message::A),
        );
    }

    let mut records = site.records(&mut watch);
    for role in ["client", "server"] {
        let told: Vec<_> = records.extract_if(.., |r| r.role == role).collect();
        assert_eq!(told.len(), names.len(), "{role}: {told:#?}");
        for (record, name) in told.iter().zip(&names) {
            let text = record.name.as_ref().expect("a name");
            assert_eq!(read_presentation(text), *name, "{record:#?}");
            assert!(
                text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()),
                "{text:?}"
            );
        }
    }
    assert!(records.is_empty(), "{records:#?}");
}

#[test]
fn root_the_root_is_a_dot() {
    let site = Site::new();
    let _unbound = site.unbound();
    let mut watch = site.watch(&[]);
    let query = message::query(1, &Vec::new(), message::A);
    ask(&site.client, SocketAddr::new(SERVER_V4, 53), &query);
    let records = site.records(&mut watch);
    assert_eq!(records.len(), 2, "{records:#?}");
    for record in records {
        assert_eq!(record.name.as_deref(), Some("."), "{record:#?}");
    }
}

/// A program may call itself anything, in any encoding.
#[test]
fn root_a_hostile_comm_is_text() {
    let site = Site::new();
    let _unbound = site.unbound();
    let mut watch = site.watch(&[]);
    let name = site.name("www");
    // The kernel takes the name of the file that is executed. busybox goes by
    // the name that it is called by.
    let comm = b"\x1b[2Jevil\xff\x07\"\\\n";
    let program = site.client.folder().join(std::ffi::OsStr::from_bytes(comm));
    symlink("/bin/busybox", &program).expect("a symbolic link");
    let mut command = site.client.command(&program);
    command
        .arg0("nslookup")
        .args(["-type=a", &name, &SERVER_V4.to_string()]);
    let client = finish(&mut command);
    assert!(client.output.contains("192.0.2.1"), "{}", client.output);

    let records = site.records(&mut watch);
    let of_client: Vec<_> = records.iter().filter(|r| r.role == "client").collect();
    assert_eq!(of_client.len(), 1, "{records:#?}");
    assert_eq!(of_client[0].pid, Some(client.pid), "{records:#?}");
    // The line was JSON in UTF-8, else it could not have been read; what the
    // octets became is for kerno to choose, if only the rest is recognisable.
    let told = of_client[0].comm.as_deref().expect("a comm");
    assert!(told.contains("[2Jevil"), "{told:?}");
}

fn hostile_labels() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        b"\x1b[31mred\x1b[0m".to_vec(),
        b"\x1b]0;title\x07".to_vec(),
        b"line\r\nbreak\t\x08\x7f".to_vec(),
        b"zero\0zero".to_vec(),
        b"a.dot".to_vec(),
        b"back\\slash \"quoted\" (x);y@z$ '`{}".to_vec(),
        b"\\123".to_vec(),
        "b\u{fc}cher".as_bytes().to_vec(),
        b"\xff\xfe\xc3\x28\xed\xa0\x80".to_vec(),
        b" ".to_vec(),
        b"*".to_vec(),
        b"CaSe".to_vec(),
        vec![b'x'; 63],
        vec![0xff; 63],
    ]
    .to_vec();
    // Every octet there is, in labels of at most 63.
    let octets: Vec<u8> = (0..=255).collect();
    all.extend(octets.chunks(63).map(<[u8]>::to_vec));
    all
}

/// A name of 255 octets (RFC 1035 section 3.1), each of which prints as four.
fn longest(zone: &str) -> Labels {
    let zone = labels(zone);
    let end: usize = zone.iter().map(|label| label.len() + 1).sum::<usize>() + 1;
    let mut room = 255 - end;
    let mut name = Vec::new();
    while room > 1 {
        let len = (room - 1).min(63);
        // No room must be left that only a label's length would fill.
        let len = if room - len - 1 == 1 { len - 1 } else { len };
        name.push(vec![0x80; len]);
        room -= len + 1;
    }
    name.extend(zone);
    name
}
