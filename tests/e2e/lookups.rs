//! `kerno watch --lookups`: what real resolvers ask, put together as their programs meant
//! it. The watching is ended before anything is judged: then all is told.

use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::clients_libc::compile;
use crate::place::Place;
use crate::process::Finished;
use crate::process::Process;
use crate::process::finish;
use crate::process::run;
use crate::resolved;
use crate::resolved::STUB;
use crate::site::SERVER_V4;
use crate::site::SERVER_V4_TOO;
use crate::site::Site;

/// A running `kerno watch --lookups`.
pub(crate) struct Watch(Process);

impl Watch {
    fn start() -> Self {
        Self::with(&[])
    }

    /// With more options.
    pub(crate) fn with(options: &[&str]) -> Self {
        let mut command = Place::host().command(env!("CARGO_BIN_EXE_kerno"));
        command.args(["watch", "--lookups"]).args(options);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = Process::start(&mut command);
        let stderr = process.child.stderr.take().expect("piped");
        let ready = BufReader::new(stderr).lines().any(|line| {
            let line = line.expect("to read from kerno");
            line == "kerno: watching"
        });
        assert!(ready, "it was never ready");
        Self(process)
    }

    /// Ends it, and returns all lookups of a place, the first one first.
    pub(crate) fn lookups(mut self, place: &Place) -> Vec<Value> {
        self.0.signal(Signal::SIGINT);
        let mut text = String::new();
        let stdout = self.0.child.stdout.as_mut().expect("piped");
        stdout.read_to_string(&mut text).expect("UTF-8 from kerno");
        let all = text.lines().map(|line| {
            let lookup: Value = serde_json::from_str(line).expect("JSON");
            assert_eq!(lookup["schema"], "kerno.lookup.v1", "{line}");
            lookup
        });
        let mut own: Vec<_> = all
            .filter(|it| it["netns"] == place.namespace.inode())
            .collect();
        own.sort_by_key(|it| it["time"].as_str().expect("a time").to_owned());
        own
    }
}

/// Its name, types, result and number of queries.
fn told(lookup: &Value) -> (&str, Vec<&str>, &str, u64) {
    let types = lookup["types"].as_array().expect("types");
    let mut types: Vec<_> = types
        .iter()
        .map(|it| it.as_str().expect("a type"))
        .collect();
    types.sort_unstable();
    (
        lookup["name"].as_str().unwrap_or_default(),
        types,
        lookup["result"].as_str().expect("a result"),
        lookup["queries"].as_u64().expect("a number"),
    )
}

const BOTH: [&str; 2] = ["A", "AAAA"];

/// As many as expected, each exact and as expected, of this program.
fn expect(lookups: &[Value], comm: &str, expected: &[(&str, &[&str], &str, u64)]) {
    let all: Vec<_> = lookups.iter().map(told).collect();
    let expected: Vec<_> = (expected.iter())
        .map(|(name, types, result, queries)| (*name, types.to_vec(), *result, *queries))
        .collect();
    assert_eq!(all, expected, "{lookups:#?}");
    for lookup in lookups {
        assert_eq!(lookup["exact"], true, "{lookup:#}");
        assert_eq!(lookup["comm"], comm, "{lookup:#}");
    }
}

/// A program that is given the name to look up.
fn look_up(site: &Site, program: &[PathBuf], name: &str) -> Finished {
    let mut command = site.client.command(&program[0]);
    finish(command.args(&program[1..]).arg(name))
}

/// With a search list of two, the second of which has `www`.
fn search_list(site: &mut Site) {
    let zone = &site.zone;
    let text = format!("nameserver {SERVER_V4}\nsearch a.{zone} {zone}\n");
    site.client.resolv_conf(&text);
}

/// What any program does that asks for an address through a search list.
fn through_a_search_list(program: impl Fn(&Place) -> Vec<PathBuf>, comm: &str, is_bare_last: bool) {
    let mut site = Site::new();
    let program = program(&site.client);
    let _unbound = site.unbound();
    search_list(&mut site);
    let whole = site.name("www");
    let watch = Watch::start();
    for name in ["www", "nothing", &whole] {
        look_up(&site, &program, name);
    }
    let lookups = watch.lookups(&site.client);
    let bare = if is_bare_last { 2 } else { 0 };
    let expected: [(&str, &[&str], &str, u64); 3] = [
        ("www", &BOTH, "ok", 4),
        ("nothing", &BOTH, "no_such_name", 4 + bare),
        (&whole, &BOTH, "ok", 2),
    ];
    expect(&lookups, comm, &expected);
    let waited = lookups[0]["waited_by_cause"].as_object().expect("causes");
    let causes: Vec<_> = waited.keys().collect();
    assert_eq!(causes, ["dns_search_amplification"], "{:#}", lookups[0]);
    assert!(lookups[2]["waited_by_cause"] == serde_json::json!({}));
}

#[test]
fn root_glibc_s_search_list_is_one_lookup() {
    through_a_search_list(
        |it| vec![compile(it, &["cc"], "ask-glibc")],
        "ask-glibc",
        true,
    );
}

#[test]
fn root_musl_s_search_list_is_one_lookup() {
    let compile = |it: &Place| vec![compile(it, &["musl-gcc", "-static"], "ask-musl")];
    through_a_search_list(compile, "ask-musl", true);
}

#[test]
fn root_glibc_goes_on_to_the_next_nameserver_in_one_lookup() {
    let mut site = Site::new();
    let program = compile(&site.client, &["cc"], "ask-glibc");
    let _unbound = site.unbound();
    // Nobody listens at the first address.
    site.client.resolv_conf(&format!(
        "nameserver {SERVER_V4_TOO}\nnameserver {SERVER_V4}\n"
    ));
    let name = site.name("www");
    let watch = Watch::start();
    look_up(&site, &[program], &name);
    let lookups = watch.lookups(&site.client);
    let [lookup] = &lookups[..] else {
        panic!("one: {lookups:#?}");
    };
    let (told_name, types, result, queries) = told(lookup);
    assert_eq!((told_name, &types[..], result), (&*name, &BOTH[..], "ok"));
    assert!(queries > 2, "{lookup:#}");
    let waited = lookup["waited_by_cause"].as_object().expect("causes");
    assert!(waited.contains_key("dns_nobody_listening"), "{lookup:#}");
    assert_eq!(lookup["exact"], true, "{lookup:#}");
}

#[test]
fn root_dig_s_second_try_over_tcp_is_the_same_lookup() {
    let site = Site::new();
    let _unbound = site.unbound();
    let [www, big] = ["www", "big"].map(|label| site.name(label));
    let watch = Watch::start();
    for (name, kind) in [(&www, "A"), (&big, "TXT"), (&www, "MX")] {
        let mut dig = site.client.command("dig");
        finish(dig.args([&format!("@{SERVER_V4}"), name.as_str(), kind]));
    }
    let lookups = watch.lookups(&site.client);
    let expected: [(&str, &[&str], &str, u64); 3] = [
        (&www, &["A"], "ok", 1),
        (&big, &["TXT"], "ok", 2),
        (&www, &["MX"], "no_data", 1),
    ];
    expect(&lookups, "dig", &expected);
}

#[test]
fn root_systemd_resolved_has_a_lookup_of_its_own() {
    let mut site = Site::new();
    let program = compile(&site.client, &["cc"], "ask-glibc");
    let _unbound = site.unbound();
    let _resolved = resolved::start(&mut site.client, SERVER_V4);
    site.client.resolv_conf(&format!("nameserver {STUB}\n"));
    let name = site.name("www");
    let watch = Watch::start();
    look_up(&site, &[program], &name);
    let lookups = watch.lookups(&site.client);
    for comm in ["ask-glibc", "systemd-resolve"] {
        let own: Vec<_> = lookups
            .iter()
            .filter(|it| it["comm"] == comm)
            .cloned()
            .collect();
        expect(&own, comm, &[(&name, &BOTH, "ok", 2)]);
    }
    assert_eq!(lookups.len(), 2, "{lookups:#?}");
}

/// Through libuv's threads and getaddrinfo(), and by itself (c-ares), one after the other
/// and at the same time.
#[test]
fn root_node_asks_through_both_of_its_resolvers() {
    const PROGRAM: &str = "const dns = require('dns').promises; const [z] = process.argv.slice(1);
        (async () => {
            await dns.lookup('www.' + z, { all: true });
            await dns.resolve4('www.' + z);
            await dns.resolve4('www.' + z);
            await dns.resolve4('nothing.' + z).catch(() => {});
            await Promise.all([dns.resolve4('www.' + z), dns.resolveTxt('www.' + z)]);
        })();";
    let mut site = Site::new();
    let _unbound = site.unbound();
    site.client
        .resolv_conf(&format!("nameserver {SERVER_V4}\n"));
    let [www, nothing] = ["www", "nothing"].map(|label| site.name(label));
    let watch = Watch::start();
    finish(
        site.client
            .command("node")
            .args(["-e", PROGRAM, &site.zone]),
    );
    let mut lookups = watch.lookups(&site.client);
    // The last two run at the same time.
    lookups
        .get_mut(4..)
        .unwrap_or_default()
        .sort_by_key(|it| it["types"].to_string());
    let expected: [(&str, &[&str], &str, u64); 6] = [
        (&www, &BOTH, "ok", 2),
        (&www, &["A"], "ok", 1),
        (&www, &["A"], "ok", 1),
        (&nothing, &["A"], "no_such_name", 1),
        (&www, &["A"], "ok", 1),
        (&www, &["TXT"], "ok", 1),
    ];
    expect(&lookups, "node", &expected);
}

/// Its own resolver asks for each type from a goroutine of its own, whatever the thread.
#[test]
fn root_go_spreads_a_lookup_over_threads() {
    const PROGRAM: &str = "package main\nimport (\"net\"; \"os\")\nfunc main() {\n\
        for _, name := range os.Args[1:] { net.LookupHost(name) }\n}\n";
    let mut site = Site::new();
    let _unbound = site.unbound();
    search_list(&mut site);
    let source = site.client.folder().join("ask-go.go");
    std::fs::write(&source, PROGRAM).expect("the source");
    let program = site.client.folder().join("ask-go");
    run(Command::new("go")
        .env("CGO_ENABLED", "0")
        .env("GO111MODULE", "off")
        .env("HOME", site.client.folder())
        .args(["build", "-tags", "netgo", "-o"])
        .arg(&program)
        .arg(&source));
    let whole = site.name("www");
    let watch = Watch::start();
    finish(
        site.client
            .command(&program)
            .args(["www", "nothing", &whole, &whole]),
    );
    let lookups = watch.lookups(&site.client);
    let expected: [(&str, &[&str], &str, u64); 4] = [
        ("www", &BOTH, "ok", 4),
        ("nothing", &BOTH, "no_such_name", 6),
        (&whole, &BOTH, "ok", 2),
        (&whole, &BOTH, "ok", 2),
    ];
    expect(&lookups, "ask-go", &expected);
}

#[test]
fn root_java_asks_through_glibc() {
    const PROGRAM: &str = "class Ask { public static void main(String[] names) throws Exception {\n\
        for (String name : names) { try { java.net.InetAddress.getAllByName(name); }\n\
        catch (java.net.UnknownHostException none) {} } } }\n";
    let mut site = Site::new();
    let _unbound = site.unbound();
    site.client
        .resolv_conf(&format!("nameserver {SERVER_V4}\n"));
    let source = site.client.folder().join("Ask.java");
    std::fs::write(&source, PROGRAM).expect("the source");
    let [www, nothing] = ["www", "nothing"].map(|label| site.name(label));
    let watch = Watch::start();
    let mut java = site.client.command("java");
    finish(java.arg(&source).args([&www, &nothing]));
    let lookups = watch.lookups(&site.client);
    let expected: [(&str, &[&str], &str, u64); 2] =
        [(&www, &BOTH, "ok", 2), (&nothing, &BOTH, "no_such_name", 2)];
    expect(&lookups, "java", &expected);
}
