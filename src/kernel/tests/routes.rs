//! Packets without a route, counted in all network namespaces.

use std::mem::MaybeUninit;
use std::net::UdpSocket;
use std::process::Command;

use libbpf_rs::ProgramInput;
use libbpf_rs::skel::OpenSkel as _;
use nix::sched::CloneFlags;
use nix::sched::unshare;

use super::super::features::Features;
use super::super::load::Config;
use super::super::load::Wake;
use super::super::load::configure;
use super::super::load::open;

#[test]
fn root_the_sum_grows_with_each_call_in_whatever_namespace() {
    let mut object = MaybeUninit::uninit();
    let mut open = open(&mut object).expect("the object opens");
    let config = Config {
        ports: vec![53],
        wake: Wake::Many,
        count_plain: false,
        lookups: false,
        all_hooks: false,
    };
    let features = Features::of_this_kernel();
    assert_ne!(features.no_routes, None, "it is in every kernel");
    configure(&mut open, &config, features, &[]);
    for mut program in open.open_object_mut().progs_mut() {
        let is_it = program.name() == "dns_no_routes";
        program.set_autoload(is_it);
    }
    let mut skel = open.load().expect("loading BPF programs needs root");
    let mut sum = || {
        let program = &skel.progs.dns_no_routes;
        program.test_run(ProgramInput::default()).expect("to run");
        skel.maps.bss_data.as_mut().expect("a .bss").no_routes
    };
    // A namespace of its own has no routes at all, and goes with the thread.
    let fail = |to: &'static str, any: &'static str| {
        let calls = move || {
            unshare(CloneFlags::CLONE_NEWNET).expect("a namespace");
            let up = Command::new("ip")
                .args(["link", "set", "lo", "up"])
                .status();
            assert!(up.expect("ip").success());
            let socket = UdpSocket::bind(any).expect("a socket");
            for _ in 0..5 {
                socket.send_to(&[0], to).expect_err("there is no route");
            }
            socket
        };
        std::thread::spawn(calls).join().expect("no panic")
    };
    let before = sum();
    let _v4 = fail("192.0.2.1:9", "0.0.0.0:0");
    let between = sum();
    assert!(between >= before + 5, "{before} {between}");
    let _v6 = fail("[2001:db8::1]:9", "[::]:0");
    let after = sum();
    assert!(after >= between + 5, "{between} {after}");
    // It is no figure that grows by itself.
    assert!(after < before + 10_000, "{before} {after}");
}
