//! The table of hooks against the object.

use std::mem::MaybeUninit;

use libbpf_rs::skel::OpenSkel as _;

use super::super::features::Features;
use super::super::hooks::HOOKS;
use super::super::hooks::Hook;
use super::super::hooks::Wanted;
use super::super::load::Config;
use super::super::load::Programs;
use super::super::load::Wake;
use super::super::load::open;
use crate::host::Host;
use crate::host::Signal;
use crate::host::SignalName;
use crate::host::SignalName::Denials;
use crate::host::SignalName::FailedConnects;
use crate::host::SignalName::FailedSends;

#[test]
fn each_program_of_the_object_has_its_place_in_the_table() {
    let mut object = MaybeUninit::uninit();
    let open = open(&mut object).expect("the object opens");
    let mut there: Vec<_> = open
        .open_object()
        .progs()
        .map(|program| program.name().to_string_lossy().into_owned())
        .collect();
    let mut known = HOOKS.map(|hook| hook.program).to_vec();
    there.sort_unstable();
    known.sort_unstable();
    assert_eq!(there, known);
}

#[test]
fn root_each_hook_is_for_a_signal_that_is_probed() {
    let signals = Host::probe().expect("needs root").signals();
    for hook in &HOOKS {
        for name in hook.signals {
            let probed = signals.iter().any(|signal| signal.name == *name);
            assert!(probed, "{name:?} of {}", hook.program);
        }
    }
    for signal in signals {
        let used = HOOKS.iter().any(|hook| hook.signals.contains(&signal.name));
        assert!(used, "{:?} is for no hook", signal.name);
    }
}

/// The signals of a kernel that has these and no others, beyond the core.
fn signals(given: &[SignalName]) -> Vec<Signal> {
    let name = |hook: &'static Hook| hook.signals.iter().copied();
    let signal = |name| Signal {
        name,
        shows: "".into(),
        missing: (!given.contains(&name)).then(|| "not here".to_owned()),
        attached: None,
    };
    HOOKS.iter().flat_map(name).map(signal).collect()
}

#[test]
fn a_program_is_loaded_for_any_signal_that_it_takes_part_in() {
    let core = ["dns_ingress", "dns_egress"];
    let connects = ["dns_connect4", "dns_connect6"];
    let sends = ["dns_sendmsg4", "dns_sendmsg6"];
    for (given, loaded) in [
        (&[][..], vec![]),
        (&[Denials], [connects, sends].concat()),
        (
            &[FailedConnects],
            [&["dns_release"], &connects[..]].concat(),
        ),
        (
            &[FailedSends],
            [&["dns_no_routes"], &sends[..], &["dns_sent"]].concat(),
        ),
    ] {
        let signals = signals(given);
        let core_before_5_12 = ["dns_ingress_old", "dns_egress_old"];
        for (swaps, core) in [(true, core), (false, core_before_5_12)] {
            let types = false;
            let features = Features {
                swaps,
                types,
                no_routes: Some(1),
            };
            let is_of_use = |hook: &&Hook| hook.is_of_use(features, &signals);
            let of_use = HOOKS.iter().filter(is_of_use);
            let of_use: Vec<_> = of_use.map(|hook| hook.program).collect();
            assert_eq!(of_use, [&loaded[..], &core].concat(), "{given:?}");
        }
    }
}

/// On this kernel, which has all of them.
#[test]
fn root_what_every_socket_pays_for_is_attached_while_it_is_wanted() {
    let on_demand = ["dns_read", "dns_sendmsg4", "dns_sendmsg6", "dns_sent"];
    let mut object = MaybeUninit::uninit();
    let host = Host::probe().expect("needs root");
    let config = Config {
        ports: vec![53],
        wake: Wake::Many,
        count_plain: false,
        lookups: false,
        all_hooks: false,
    };
    let mut programs = Programs::load(&mut object, &host, &config).expect("they load");
    assert!(programs.signals().iter().all(|it| it.missing.is_none()));
    let permanent = programs.attached();
    assert_eq!(permanent.len(), 7);
    assert!(!permanent.iter().any(|name| on_demand.contains(name)));
    let denials = Wanted {
        denials: true,
        ..Wanted::default()
    };
    for (wanted, expected) in [
        (Wanted::ALL, &on_demand[..]),
        (denials, &on_demand[1..3]),
        (Wanted::default(), &[]),
    ] {
        programs.want(wanted, host.cgroup()).expect("to attach");
        let mut attached = programs.attached();
        attached.retain(|name| on_demand.contains(name));
        assert_eq!(attached, expected);
        assert_eq!(programs.attached().len(), permanent.len() + expected.len());
    }
}

#[test]
fn a_hook_that_is_refused_takes_its_signals_with_it() {
    let hook = Hook::of("dns_connect4").expect("a program");
    let mut signals = signals(&[Denials, FailedSends]);
    let error = libbpf_rs::Error::from_raw_os_error(libc::EPERM);
    hook.is_refused(&mut signals, &error);
    for signal in signals {
        let why = signal.missing.as_deref();
        match signal.name {
            FailedSends => assert_eq!(why, None),
            Denials => assert!(why.is_some_and(|why| why.contains("refused")), "{why:?}"),
            _ => assert_eq!(why, Some("not here"), "what it was before"),
        }
    }
}
