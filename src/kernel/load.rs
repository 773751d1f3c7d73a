//! Loads and attaches the programs, and says which signals this kernel gives.

use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::os::fd::BorrowedFd;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use libbpf_rs::Link;
use libbpf_rs::MapCore as _;
use libbpf_rs::MapHandle;
use libbpf_rs::OpenObject;
use libbpf_rs::ProgramInput;
use libbpf_rs::skel::OpenSkel as _;
use libbpf_rs::skel::Skel as _;
use libbpf_rs::skel::SkelBuilder as _;
use nix::sys::resource::Resource;
use nix::sys::resource::getrlimit;

use super::bpf::DnsMonitorSkel;
use super::bpf::DnsMonitorSkelBuilder;
use super::bpf::OpenDnsMonitorSkel;
use super::counters::Counters;
use super::entry::Claim;
use super::entry::Entry;
use super::features::Features;
use super::hooks::HOOKS;
use super::hooks::Hook;
use super::hooks::Wanted;
use super::hooks::is_there;
use super::inflight;
use super::runs::Runs;
use super::slots::Slots;
use super::wire::dns_limit;
use super::wire::dns_sleep;
use crate::attempt::Attempt;
use crate::host::Clock;
use crate::host::Host;
use crate::host::Signal;
use crate::host::SignalName::Denials;
use crate::host::SignalName::FailedSends;
use crate::host::SignalName::Reads;
use crate::host::SignalName::Reasons;
use crate::host::proc::Root;
use crate::host::what_forbids_programs;

/// Ports that can be watched at once.
pub const PORTS_MAX: usize = dns_limit::DNS_PORTS_MAX.0 as usize;

/// What the programs are told before they are loaded.
#[derive(Clone, Debug)]
pub struct Config {
    /// DNS ports to watch; at most [`PORTS_MAX`].
    pub ports: Vec<u16>,
    /// What the reader of the records is woken for.
    pub wake: Wake,
    /// Plain answers are counted together, because nobody wants to see each.
    pub count_plain: bool,
    /// Whether attempts are put together to lookups.
    pub lookups: bool,
    /// The hooks that every socket of the host pays for are attached all the time, not only
    /// while there is a reason.
    pub all_hooks: bool,
}

/// What the reader of the records is woken for. Each time costs the host something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wake {
    /// For many records at once.
    #[default]
    Many,
    /// For many, and for the first of each process: who it is can be seen only while it
    /// lives.
    Newcomers,
    /// For each record: somebody waits for it.
    Each,
}

/// What wakes the reader of the ring buffer now.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// Nothing: it is awake and looks by itself.
    Awake,
    /// Many records.
    Many,
    /// Many records, or one of somebody new.
    Newcomer,
    /// The next record.
    Next,
}

/// Fewer open files than this may be the reason that the programs are not let in.
const FILES_MIN: u64 = 256;

/// The programs in the kernel. Dropping it detaches and frees everything.
pub(crate) struct Programs<'obj> {
    /// In the order in which they were attached.
    links: Vec<(&'static Hook, Link)>,
    skel: DnsMonitorSkel<'obj>,
    slots: Slots<'obj>,
    features: Features,
    signals: Vec<Signal>,
}

impl<'obj> Programs<'obj> {
    /// Opens, configures, loads and attaches; nothing counts before [`Self::arm`].
    pub(crate) fn load(
        object: &'obj mut MaybeUninit<OpenObject>,
        host: &Host,
        config: &Config,
    ) -> Result<Self> {
        let mut open = open(object)?;
        let signals = host.signals();
        let features = Features::of_this_kernel();
        configure(&mut open, config, features, &signals);
        for mut program in open.open_object_mut().progs_mut() {
            let name = program.name().to_string_lossy();
            let is_of_use = Hook::of(&name).is_some_and(|hook| hook.is_of_use(features, &signals));
            program.set_autoload(is_of_use);
        }
        let mut skel = open.load().map_err(|error| {
            let why = match (
                what_forbids_programs(&Root::default()),
                what_is_short(&error),
            ) {
                (Some(why), _) => format!("the kernel refuses kerno's programs: {why}"),
                (None, Some(short)) => short,
                (None, None) => {
                    "this kernel rejected kerno's programs; `kerno verify` shows which and why"
                        .to_owned()
                }
            };
            anyhow::Error::from(error).context(why)
        })?;
        let mut programs = Self {
            links: Vec::new(),
            slots: Slots::take(&mut skel.maps).context("the object lost its slots")?,
            skel,
            features,
            signals,
        };
        programs.attach(host.cgroup())?;
        programs.want(Wanted::default(), host.cgroup())?;
        Ok(programs)
    }

    /// All of them, for a moment also those that are not wanted yet: so it is known from the
    /// start which ones this kernel refuses.
    fn attach(&mut self, cgroup: BorrowedFd<'_>) -> Result<()> {
        for hook in &HOOKS {
            if hook.is_of_use(self.features, &self.signals) {
                self.attach_hook(hook, cgroup)?;
            }
        }
        Ok(())
    }

    fn attach_hook(&mut self, hook: &'static Hook, cgroup: BorrowedFd<'_>) -> Result<()> {
        let program = self
            .skel
            .object()
            .progs_mut()
            .find(|program| program.name() == hook.program)
            .with_context(|| format!("the object has no program {}", hook.program))?;
        match hook.attach(&program, cgroup) {
            Ok(link) => self.links.extend(link.map(|link| (hook, link))),
            Err(error) if hook.is_core() => {
                return Err(error).with_context(|| {
                    format!("cannot attach {} to the cgroup v2 root", hook.program)
                });
            }
            // A hook that does not attach is a missing signal, not an error.
            Err(error) => {
                log::warn!("{} does not attach: {error:#}", hook.program);
                hook.is_refused(&mut self.signals, &error);
            }
        }
        Ok(())
    }

    /// Attaches what is wanted of the hooks that every socket pays for, and takes the
    /// others off.
    pub(crate) fn want(&mut self, wanted: Wanted, cgroup: BorrowedFd<'_>) -> Result<()> {
        if let Some(bss) = self.skel.maps.bss_data.as_mut()
            && !wanted.reads
        {
            bss.reads_since = 0;
        }
        while let Some(at) = self.links.iter().rposition(|(it, _)| !it.is_wanted(wanted)) {
            drop(self.links.remove(at));
        }
        for hook in HOOKS.iter().filter(|hook| !hook.is_permanent()) {
            let is_attached = self.links.iter().any(|(it, _)| it.program == hook.program);
            if !is_attached
                && hook.is_wanted(wanted)
                && hook.is_of_use(self.features, &self.signals)
            {
                self.attach_hook(hook, cgroup)?;
            }
        }
        if let Some(bss) = self.skel.maps.bss_data.as_mut()
            && wanted.reads
            && bss.reads_since == 0
        {
            bss.reads_since = Clock::monotonic_ns();
        }
        Ok(())
    }

    /// What is attached.
    #[cfg(test)]
    pub(super) fn attached(&self) -> Vec<&'static str> {
        self.links.iter().map(|(hook, _)| hook.program).collect()
    }

    /// How many answers may have been read late; it only grows.
    pub(crate) fn old_notes(&self) -> u32 {
        let bss = self.skel.maps.bss_data.as_ref();
        bss.map_or(0, |bss| bss.old_notes)
    }

    /// How many packets and calls of this host, DNS or not, found no route. To ask walks
    /// through all network namespaces.
    pub(crate) fn no_routes(&self) -> Result<u64> {
        if is_there(&self.signals, FailedSends) && self.features.no_routes.is_some() {
            let program = &self.skel.progs.dns_no_routes;
            program
                .test_run(ProgramInput::default())
                .context("cannot ask for the packets without a route")?;
        }
        let bss = self.skel.maps.bss_data.as_ref();
        Ok(bss.map_or(0, |bss| bss.no_routes))
    }

    /// Queries count from now on, or no more.
    pub(crate) fn arm(&mut self, armed: bool) {
        if let Some(bss) = self.skel.maps.bss_data.as_mut() {
            bss.armed = u32::from(armed);
        }
    }

    /// Says what is to wake the reader, before it goes to sleep; or that it is awake.
    pub(crate) fn sleep(&mut self, until: Until) {
        let asleep = match until {
            Until::Awake => dns_sleep::DNS_AWAKE,
            Until::Many => dns_sleep::DNS_SLEEP_BATCH,
            Until::Newcomer => dns_sleep::DNS_SLEEP_NEW,
            Until::Next => dns_sleep::DNS_SLEEP_LIGHT,
        };
        if let Some(bss) = self.skel.maps.bss_data.as_mut() {
            // SAFETY: a u32 of the mapped .bss, aligned as in C; the programs write it too.
            let flag = unsafe { AtomicU32::from_ptr(&raw mut bss.asleep) };
            // A record that the programs commit after this wakes the reader.
            flag.store(asleep.0, Ordering::SeqCst);
        }
    }

    /// What the kernel knows of the runs of each program.
    pub(crate) fn runs(&self) -> Result<Vec<(String, Runs)>> {
        let programs = self.skel.object().progs().filter(|it| it.autoload());
        let runs = programs.map(|program| {
            let name = program.name().to_string_lossy().into_owned();
            let runs = Runs::of(program.as_fd())
                .with_context(|| format!("cannot ask how often {name} ran"))?;
            Ok((name, runs))
        });
        runs.collect()
    }

    /// How full the maps are that queries and connections wait in, so many of them being known
    /// to be in flight: 0 to 1.
    pub(crate) fn filled(&self, in_flight: usize) -> [(&'static str, f64); 3] {
        let (elsewhere, connections) = self.slots.elsewhere();
        let share = |number: u64, room: usize| number as f64 / room.max(1) as f64;
        let inflight_max = self.skel.maps.dns_inflight.max_entries() as usize;
        let connections_max = self.skel.maps.dns_connections.max_entries() as usize;
        let in_slots = (in_flight as u64).saturating_sub(elsewhere);
        [
            ("dns_slots", share(in_slots, Slots::ROOM)),
            ("dns_inflight", share(elsewhere, inflight_max)),
            ("dns_connections", share(connections, connections_max)),
        ]
    }

    /// Which hooks are active.
    pub(crate) fn signals(&self) -> &[Signal] {
        &self.signals
    }

    /// The ring buffer with what [`super::decode`] reads.
    pub(crate) fn events(&self) -> Result<MapHandle> {
        Ok(MapHandle::try_from(&self.skel.maps.dns_events)?)
    }

    /// The queries in flight.
    pub(crate) fn in_flight(&self) -> Result<Vec<Entry>> {
        if !self.slots.any_elsewhere() {
            // To walk through an empty map takes half a millisecond.
            let mut entries = Vec::new();
            self.slots.snapshot(&mut entries);
            return Ok(entries);
        }
        inflight::snapshot(&self.skel.maps.dns_inflight, &self.slots)
    }

    /// Takes a query in flight out of the kernel's hands and gives up on it.
    pub(crate) fn claim(&self, entry: &Entry, now_ns: u64) -> Result<Claim> {
        inflight::claim(&self.skel.maps.dns_inflight, &self.slots, entry, now_ns)
    }

    /// The query has had its time: that its socket is closed later is of no interest. Of one
    /// that this host has discarded it is, for its program does not know.
    pub(crate) fn is_over(&self, entry: &Entry) {
        if let Some(cookie) = entry.client_socket() {
            self.slots.ends_waiting(cookie);
        }
    }

    /// Connections for a query that nobody accepted in time, each once.
    pub(crate) fn never_accepted(
        &self,
        now_ns: u64,
        timeout: Duration,
        until_ns: u64,
    ) -> Result<Vec<Attempt>> {
        if !self.slots.any_connection() {
            return Ok(Vec::new());
        }
        let connections = &self.skel.maps.dns_connections;
        inflight::sweep_connections(connections, &self.slots, now_ns, timeout, until_ns)
    }

    /// Whether a connection is being made that was begun until then.
    pub(crate) fn any_connecting(&self, until_ns: u64) -> Result<bool> {
        Ok(self.slots.any_connection()
            && inflight::any_connecting(&self.skel.maps.dns_connections, until_ns)?)
    }

    /// Everything that was seen and lost.
    pub(crate) fn counters(&self) -> Result<Counters> {
        let missed = self.runs()?.iter().map(|(_, runs)| runs.missed).sum();
        Ok(Counters {
            missed_runs: missed,
            ..Counters::read(&self.skel.maps.dns_counters)?
        })
    }

    /// Takes every program off its hook, the last one first.
    pub(crate) fn detach(&mut self) {
        while self.links.pop().is_some() {}
    }
}

pub(super) fn open(object: &mut MaybeUninit<OpenObject>) -> Result<OpenDnsMonitorSkel<'_>> {
    DnsMonitorSkelBuilder::default()
        .open(object)
        .map_err(|error| {
            let short = what_is_short(&error);
            let why = short.unwrap_or_else(|| "kerno's BPF object cannot be opened".to_owned());
            anyhow::Error::from(error).context(why)
        })
}

/// The limit that keeps the programs out, if it is one, and who sets it.
fn what_is_short(error: &libbpf_rs::Error) -> Option<String> {
    if error.kind() == libbpf_rs::ErrorKind::OutOfMemory {
        return Some(
            "there is too little memory for kerno's programs and maps: raise the limit of its control \
             group (MemoryMax= of systemd, --memory of Docker, limits.memory of Kubernetes) to 64 MiB"
                .to_owned(),
        );
    }
    let (files, _) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    (files < FILES_MIN).then(|| {
        format!(
            "kerno may open {files} files, which are too few: raise the limit to {FILES_MIN} (`ulimit -n`, \
             LimitNOFILE= of systemd)"
        )
    })
}

/// What depends on a signal that is not there is not even verified.
pub(super) fn configure(
    open: &mut OpenDnsMonitorSkel<'_>,
    config: &Config,
    features: Features,
    signals: &[Signal],
) {
    if let Some(rodata) = open.maps.rodata_data.as_mut() {
        let ports = &config.ports[..config.ports.len().min(PORTS_MAX)];
        rodata.config.ports[..ports.len()].copy_from_slice(ports);
        rodata.config.nports = ports.len() as u32;
        rodata.config.denials = u32::from(is_there(signals, Denials));
        rodata.config.types = u32::from(features.types);
        rodata.config.no_routes = features.no_routes.unwrap_or_default();
        rodata.config.reasons = u32::from(is_there(signals, Reasons));
        rodata.config.reads = u32::from(is_there(signals, Reads));
    }
}
