//! `kerno verify`: each program through the verifier and onto its hook by itself.

use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::os::fd::AsRawFd as _;

use anyhow::Context as _;
use anyhow::Result;
use libbpf_rs::Program;
use libbpf_rs::ProgramMut;
use libbpf_rs::query::ProgInfoIter;
use libbpf_rs::skel::OpenSkel as _;
use libbpf_rs::skel::Skel as _;
use serde::Serialize;

use super::bpf::DnsMonitorSkel;
use super::features::Features;
use super::hooks::Hook;
use super::load::Config;
use super::load::configure;
use super::load::open;
use super::log;
use crate::host::Host;
use crate::host::Signal;

/// Asks the verifier for its statistics only (include/linux/bpf_verifier.h).
const BPF_LOG_STATS: u32 = 4;

/// One program's way through the verifier, and its attachment.
#[derive(Clone, Debug, Serialize)]
pub struct ProgramCheck {
    /// Name in bpf/dns_monitor.bpf.c.
    pub name: String,
    /// Section, which says where it attaches.
    pub section: String,
    /// Whether this kernel has what it is for; else it need not load.
    pub expected: bool,
    /// Instructions that the verifier walked through; `None` if it was not
    /// loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified_insns: Option<u32>,
    /// `None` if it loaded, else why not: the verifier's own last lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_error: Option<String>,
    /// `None` if it attached, else why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attach_error: Option<String>,
}

/// Takes each program through the verifier and onto its hook by itself, and
/// back off again. Also returns the memory of all maps in bytes.
pub fn check_programs(
    host: &Host,
    config: &Config,
    signals: &[Signal],
) -> Result<(Vec<ProgramCheck>, u64)> {
    let mut object = MaybeUninit::uninit();
    let names: Vec<String> = open(&mut object)?
        .open_object()
        .progs()
        .map(|prog| prog.name().to_string_lossy().into_owned())
        .collect();
    let features = Features::of_this_kernel();
    let mut map_bytes = 0;
    let mut checks = Vec::new();
    for name in names {
        let (check, bytes) = check_program(&name, host, config, features, signals)?;
        map_bytes = map_bytes.max(bytes);
        checks.push(check);
    }
    Ok((checks, map_bytes))
}

fn check_program(
    name: &str,
    host: &Host,
    config: &Config,
    features: Features,
    signals: &[Signal],
) -> Result<(ProgramCheck, u64)> {
    let hook = Hook::of(name).with_context(|| format!("nothing is known of {name}'s hook"))?;
    let mut object = MaybeUninit::uninit();
    let mut open = open(&mut object)?;
    configure(&mut open, config, features, signals);
    let mut check = ProgramCheck {
        name: name.to_owned(),
        section: String::new(),
        expected: hook.is_of_use(features, signals),
        verified_insns: None,
        load_error: None,
        attach_error: None,
    };
    for mut prog in open.open_object_mut().progs_mut() {
        let chosen = prog.name() == name;
        prog.set_autoload(chosen);
        if chosen {
            check.section = prog.section().to_string_lossy().into_owned();
        }
    }
    log::clear();
    let skel = match open.load() {
        Ok(skel) => skel,
        Err(error) => {
            check.load_error = Some(log::last_lines_or(&error));
            return Ok((check, 0));
        }
    };
    let bytes = map_bytes(&skel)?;
    let prog = skel
        .object()
        .progs_mut()
        .find(|prog| prog.name() == name)
        .context("the loaded object lost a program")?;
    check.verified_insns = match verified_insns(&prog)? {
        Some(insns) => Some(insns),
        None => counted_by_the_log(name, config, features, signals)?,
    };
    let attached = hook.attach(&prog, host.cgroup());
    check.attach_error = attached.err().map(|error| format!("{error:#}"));
    Ok((check, bytes))
}

/// Before 5.16 a loaded program does not tell how much was verified, but the
/// verifier's own log does, since 5.2: the program is loaded once more for it.
fn counted_by_the_log(
    name: &str,
    config: &Config,
    features: Features,
    signals: &[Signal],
) -> Result<Option<u32>> {
    let mut object = MaybeUninit::uninit();
    let mut open = open(&mut object)?;
    configure(&mut open, config, features, signals);
    for mut prog in open.open_object_mut().progs_mut() {
        let chosen = prog.name() == name;
        prog.set_autoload(chosen);
        if chosen {
            prog.set_log_level(BPF_LOG_STATS);
        }
    }
    log::clear();
    open.load()
        .with_context(|| format!("{name} loads, but not with a log of the verifier"))?;
    Ok(log::processed_insns())
}

fn verified_insns(prog: &ProgramMut<'_>) -> Result<Option<u32>> {
    let id = Program::id_from_fd(prog.as_fd())?;
    Ok(ProgInfoIter::default()
        .find(|info| info.id == id)
        .map(|info| info.verified_insns)
        .filter(|&insns| insns > 0))
}

/// Kernel memory of the maps, as the kernel accounts for it.
fn map_bytes(skel: &DnsMonitorSkel<'_>) -> Result<u64> {
    let mut total = 0;
    for map in skel.object().maps() {
        let path = format!("/proc/self/fdinfo/{}", map.as_fd().as_raw_fd());
        let info = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        total += info
            .lines()
            .find_map(|line| line.strip_prefix("memlock:"))
            .and_then(|bytes| bytes.trim().parse::<u64>().ok())
            .unwrap_or(0);
    }
    Ok(total)
}
