//! Loads what was generated, and attaches those programs whose hooks the running kernel
//! has.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd as _;
use std::os::fd::AsRawFd as _;
use std::os::fd::IntoRawFd as _;

use libbpf_rs::Link;
use libbpf_rs::Map;
use libbpf_rs::MapCore as _;
use libbpf_rs::Object;
use libbpf_rs::ObjectBuilder;
use libbpf_rs::Program as Compiled;
use libbpf_rs::ProgramMut;
use libbpf_rs::query::ProgInfoIter;

use crate::hook::Fentry;
use crate::hook::Kind as _;
use crate::hook::Kprobe;
use crate::hook::Kretprobe;
use crate::hook::RawTracepoint;
use crate::hook::TpBtf;
use crate::host_hooks::HostHooks;
use crate::module::LOSSES;
use crate::module::Module;
use crate::module::Program;
use crate::module::losses_map;
use crate::perf;

/// Programs that run, until this is dropped.
#[derive(Debug)]
pub struct Loaded {
    /// Before the object, so that what is attached is detached first.
    links: Vec<Link>,
    object: Object,
    states: Vec<State>,
    maps: Vec<&'static str>,
    lossy: Vec<&'static str>,
}

/// What became of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Which one.
    pub program: Program,
    /// Whether it runs, or why not.
    pub outcome: Outcome,
}

/// Whether a program runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It does.
    Attached,
    /// Nobody asked for what it gives.
    NotWanted,
    /// Another program gives the same, and comes first.
    NotNeeded,
    /// The kernel lacks its hook, in words.
    Missing(String),
}

impl Loaded {
    /// Loads the compiled `module` and attaches each program that `wanted` says yes to and
    /// whose hook is there. A hook that is not there is no error, see [`Loaded::states`].
    ///
    /// # Errors
    ///
    /// If the kernel refuses a program, or to attach it.
    pub fn start(
        object: &[u8],
        module: &Module,
        wanted: impl FnMut(&Program) -> bool,
    ) -> libbpf_rs::Result<Self> {
        let hooks = HostHooks::of_this_kernel();
        let states = states_on(&hooks, module, wanted);
        let mut open = ObjectBuilder::default().open_memory(object)?;
        for mut program in open.progs_mut() {
            let state = states
                .iter()
                .find(|it| program.name() == it.program.name.as_str());
            program.set_autoload(state.is_some_and(|it| it.outcome == Outcome::Attached));
        }
        // What no program uses takes no memory.
        let attached = |it: &&State| it.outcome == Outcome::Attached;
        let used = |map: &str| {
            let mut programs = states.iter().filter(attached).map(|it| &it.program);
            programs.any(|it| map == LOSSES || it.maps.contains(&map))
        };
        for mut map in open.maps_mut() {
            let name = map.name().to_string_lossy().into_owned();
            if let Some(name) = name.strip_suffix("_map") {
                map.set_autocreate(used(name))?;
            }
        }
        let mut loaded = Self {
            links: Vec::new(),
            object: open.load()?,
            states,
            maps: module.maps(),
            lossy: module.losses(),
        };
        let attached = loaded
            .states
            .iter()
            .filter(|it| it.outcome == Outcome::Attached);
        for State { program, .. } in attached {
            let compiled = loaded
                .object
                .progs_mut()
                .find(|it| it.name() == program.name.as_str());
            let compiled = compiled.ok_or_else(|| absent(&program.name))?;
            loaded.links.extend(attach(&compiled, program, &hooks)?);
        }
        Ok(loaded)
    }

    /// What became of each program.
    pub fn states(&self) -> &[State] {
        &self.states
    }

    /// How many instructions the verifier walked through, by program. The kernel tells
    /// since Linux 5.16; before, there is nothing here.
    ///
    /// # Errors
    ///
    /// If the kernel does not say which programs these are.
    pub fn verified_insns(&self) -> libbpf_rs::Result<HashMap<String, u32>> {
        let mut names = HashMap::new();
        for program in self.object.progs() {
            if self.runs(program.name()) {
                let id = Compiled::id_from_fd(program.as_fd())?;
                names.insert(id, program.name().to_string_lossy().into_owned());
            }
        }
        let infos = ProgInfoIter::default().filter(|info| info.verified_insns > 0);
        Ok(infos
            .filter_map(|info| Some((names.remove(&info.id)?, info.verified_insns)))
            .collect())
    }

    fn runs(&self, name: &OsStr) -> bool {
        let attached = |it: &&State| it.outcome == Outcome::Attached;
        let mut attached = self.states.iter().filter(attached);
        attached.any(|it| name == it.program.name.as_str())
    }

    /// How often each map had no room, since the start.
    ///
    /// # Errors
    ///
    /// If the kernel does not give them.
    pub fn losses(&self) -> libbpf_rs::Result<Vec<(&'static str, u64)>> {
        if self.map(LOSSES)?.is_none() {
            return Ok(Vec::new());
        }
        let counts = losses_map(self.lossy.len()).values(self)?;
        Ok(self.lossy.iter().copied().zip(counts).collect())
    }

    /// Kernel memory of its maps, in octets, as `memlock` of their `fdinfo` says.
    pub fn map_octets(&self) -> u64 {
        let of = |map: Map<'_>| {
            let path = format!("/proc/self/fdinfo/{}", map.as_fd().as_raw_fd());
            let text = std::fs::read_to_string(path).ok()?;
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("memlock:"))?;
            line.trim().parse::<u64>().ok()
        };
        self.object.maps().filter_map(of).sum()
    }

    /// The map with this name. `None` if no program that is attached uses it; it is an
    /// error to ask for one that the module has not.
    pub(crate) fn map(&self, name: &str) -> libbpf_rs::Result<Option<Map<'_>>> {
        if name != LOSSES && !self.maps.contains(&name) {
            return Err(absent(name));
        }
        let name = format!("{name}_map");
        Ok(self.object.maps().find(|map| map.name() == name.as_str()))
    }
}

/// What would become of each program if those were started that `wanted` says yes to.
pub fn states(module: &Module, wanted: impl FnMut(&Program) -> bool) -> Vec<State> {
    states_on(&HostHooks::of_this_kernel(), module, wanted)
}

fn states_on(
    hooks: &HostHooks,
    module: &Module,
    wanted: impl FnMut(&Program) -> bool,
) -> Vec<State> {
    plan(module.programs(), wanted, |program| hooks.lacks(program))
}

/// Which programs run. Of those that give the same, the first whose way is whole does: a
/// way may have more than one program.
fn plan(
    programs: &[Program],
    mut wanted: impl FnMut(&Program) -> bool,
    lacks: impl Fn(&Program) -> Option<String>,
) -> Vec<State> {
    let mut states: Vec<State> = Vec::new();
    for program in programs {
        let outcome = match wanted(program) {
            false => Outcome::NotWanted,
            true => lacks(program).map_or(Outcome::Attached, Outcome::Missing),
        };
        states.push(State {
            program: program.clone(),
            outcome,
        });
    }
    let ways = |states: &[State]| {
        let mut ways: Vec<(usize, usize)> =
            states.iter().filter_map(|it| it.program.choice).collect();
        ways.sort_unstable();
        ways.dedup();
        ways
    };
    let mut chosen: Option<(usize, usize)> = None;
    for way in ways(&states) {
        let is_done = chosen.is_some_and(|(number, _)| number == way.0);
        let of_way = |it: &&mut State| it.program.choice == Some(way);
        let is_whole = states
            .iter()
            .filter(|it| it.program.choice == Some(way))
            .all(|it| it.outcome == Outcome::Attached);
        if !is_done && is_whole {
            chosen = Some(way);
            continue;
        }
        let rest = states
            .iter_mut()
            .filter(of_way)
            .filter(|it| it.outcome == Outcome::Attached);
        rest.for_each(|it| it.outcome = Outcome::NotNeeded);
    }
    // Where another way was found, nothing is missing.
    let found: Vec<usize> = states
        .iter()
        .filter(|it| it.outcome == Outcome::Attached)
        .filter_map(|it| it.program.choice.map(|(number, _)| number))
        .collect();
    for state in &mut states {
        let is_found = state
            .program
            .choice
            .is_some_and(|(number, _)| found.contains(&number));
        if is_found && matches!(state.outcome, Outcome::Missing(_)) {
            state.outcome = Outcome::NotNeeded;
        }
    }
    states
}

fn attach(
    compiled: &ProgramMut<'_>,
    program: &Program,
    hooks: &HostHooks,
) -> libbpf_rs::Result<Vec<Link>> {
    let target = program.target.as_str();
    let mut links = Vec::new();
    if let Some(event) = program.event {
        // Whoever it happens to, on whatever CPU.
        for cpu in perf::online_cpus()? {
            let fd = perf::software_event(event, cpu)?;
            links.push(compiled.attach_perf_event(fd.into_raw_fd())?);
        }
        return Ok(links);
    }
    links.push(match program.kind {
        TpBtf::SECTION | Fentry::SECTION => compiled.attach()?,
        RawTracepoint::SECTION => compiled.attach_raw_tracepoint(target)?,
        Kprobe::SECTION => compiled.attach_kprobe(false, target)?,
        Kretprobe::SECTION => compiled.attach_kprobe(true, target)?,
        _ => {
            let id = hooks.tracepoint_id(target).ok_or_else(|| absent(target))?;
            let fd = perf::tracepoint(id)?;
            compiled.attach_perf_event(fd.into_raw_fd())?
        }
    });
    Ok(links)
}

fn absent(name: &str) -> libbpf_rs::Error {
    let kind = io::ErrorKind::NotFound;
    io::Error::new(
        kind,
        format!("{name} is not in the object or on this kernel"),
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::Event;

    /// Two ways, the first with two programs; `lacking` are not there.
    fn outcomes(lacking: &[&str]) -> Vec<String> {
        let mut m = Module::new("m", "");
        m.first_of(&[
            &|m| {
                m.perf_event(Event::MajorPageFault, |_| {});
                m.perf_event(Event::MinorPageFault, |_| {});
            },
            &|m| {
                m.perf_event(Event::CpuMigration, |_| {});
            },
        ]);
        let lacks = |it: &Program| {
            lacking
                .contains(&it.target.as_str())
                .then(|| "no".to_owned())
        };
        let states = plan(m.programs(), |_| true, lacks);
        states
            .iter()
            .map(|it| format!("{:?}", it.outcome))
            .collect()
    }

    #[test]
    fn the_first_way_that_is_whole_is_used() {
        let all = ["major_page_fault", "minor_page_fault", "cpu_migration"];
        assert_eq!(outcomes(&[]), ["Attached", "Attached", "NotNeeded"]);
        assert_eq!(outcomes(&all[1..2]), ["NotNeeded", "NotNeeded", "Attached"]);
        let none = "Missing(\"no\")";
        assert_eq!(outcomes(&all), [none, none, none]);
        assert_eq!(outcomes(&all[1..]), ["NotNeeded", none, none]);
    }
}
