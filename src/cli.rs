//! The command line. Its help texts are the manual.

mod agent;
#[cfg(feature = "chaos")]
mod chaos;
mod counters;
mod fleet;
mod format;
mod generate;
mod past;
mod top;
mod variables;

#[cfg(feature = "k8s")]
use std::path::PathBuf;
use std::time::Duration;

use clap::ArgAction;
use clap::Args;
use clap::Parser;
use clap::Subcommand;
use clap::ValueEnum;

use crate::attempt::Comm;
use crate::attempt::Role;
use crate::attribution;
use crate::filter::Filter;
use crate::filter::NameGlob;
use crate::filter::PodFilter;
use crate::host::proc::untrusted;
use crate::kernel::PORTS_MAX;
use crate::watching;
pub use agent::AgentArgs;
pub use agent::LogFormat;
use agent::SocketArg;
#[cfg(feature = "chaos")]
pub use chaos::ChaosArgs;
pub use counters::CountersArgs;
pub use fleet::FleetArgs;
pub use format::Format;
pub use generate::GenerateArgs;
pub use generate::Generated;
pub use past::HistoryArgs;
use past::PastArgs;
pub use top::TopArgs;

/// Version and commit, as `kerno --version` prints them.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("KERNO_COMMIT"), ")");

/// A DNS doctor for Linux hosts: says whether DNS hurts, whom, and why.
#[derive(Debug, Parser)]
#[command(name = "kerno", version = VERSION, max_term_width = 100)]
pub struct Cli {
    /// More log messages on stderr: -v what kerno does, -vv what libbpf does.
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch this host's DNS for a while and say what is wrong.
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(DoctorArgs),
    /// Watch always, and answer questions about the time behind.
    #[command(after_help = agent::EXAMPLES, mut_args = variables::of)]
    Agent(AgentArgs),
    /// When something was wrong, as the agent knows it.
    #[command(after_help = past::EXAMPLES)]
    History(HistoryArgs),
    /// Say what is wrong on which nodes, as the Prometheus that scrapes their agents knows it.
    #[command(after_help = fleet::EXAMPLES)]
    Fleet(FleetArgs),
    /// Look at this host's DNS live, on a screen.
    #[command(after_help = top::EXAMPLES)]
    Top(TopArgs),
    /// Stream every finished DNS query as one JSON object per line.
    #[command(after_help = WATCH_EXAMPLES)]
    Watch(WatchArgs),
    /// Count what the kernel does for each workload: memory, CPUs, connections, calls.
    #[command(after_help = counters::EXAMPLES)]
    Counters(CountersArgs),
    /// Make a real DNS fault on this host, and undo it.
    #[cfg(feature = "chaos")]
    #[command(after_help = chaos::EXAMPLES)]
    Chaos(ChaosArgs),
    /// Check every BPF program and every signal on this kernel.
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(VerifyArgs),
    /// Write manual pages or completions, for packages.
    #[command(name = "gen", hide = true, after_help = generate::EXAMPLES)]
    Generate(GenerateArgs),
    /// Read files of strangers, as standard input says.
    #[command(name = untrusted::COMMAND, hide = true)]
    ReadFiles,
    /// Be a process of a fault lab, as standard input says.
    #[cfg(feature = "chaos")]
    #[command(name = kerno_chaos::lab::COMMAND, hide = true)]
    LabWorker,
}

const DOCTOR_EXAMPLES: &str = "\
Examples:
  sudo kerno doctor                          half a minute of this host's DNS
  sudo kerno doctor --duration 5m --comm nginx
  sudo kerno doctor --pod shop/web-1         one pod's DNS
  sudo kerno doctor --last 10m               the time behind us, if `kerno agent` runs
  sudo kerno doctor --output json | jq '.findings[].title'
  sudo kerno doctor --output markdown        to paste into an issue or a chat
  sudo kerno doctor --output html >report.html     one file, to attach to a ticket
  sudo kerno doctor --exit-code              for monitoring: 0 healthy, 1 warning or unknown,
                                             2 critical, 3 could not run

Ctrl-C ends the watching early and still prints the report.";

const WATCH_EXAMPLES: &str = "\
Examples:
  sudo kerno watch | jq -r '[.comm, .name, .type, .outcome, .rcode] | @tsv'
  sudo kerno watch --failed
  sudo kerno watch --slower-than 100ms --name '*.svc.cluster.local'
  sudo kerno watch --role server --port 53 --port 1053
  sudo kerno watch --unit nginx | jq -r '[.unit, .name, .outcome] | @tsv'

Every field is described in docs/records.md.";

const VERIFY_EXAMPLES: &str = "\
Examples:
  sudo kerno verify
  sudo kerno verify --output json | jq '.signals'";

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// Options that `doctor`, `watch` and `agent` share.
#[derive(Args, Debug)]
pub struct WatchedArgs {
    /// DNS port to watch; repeat it for up to 8 ports [default: 53]
    #[arg(long = "port", value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    ports: Vec<u16>,
    /// How long an unanswered query is waited for.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = timeout)]
    pub timeout: Duration,
    /// Only queries of the process with this id.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub pid: Option<u32>,
    /// Only queries of processes with this name (15 bytes at most, as in ps).
    #[arg(long, value_name = "NAME", value_parser = comm)]
    pub comm: Option<Comm>,
    /// Only queries for names that match: * is any text, ? one character; case
    /// does not matter.
    #[arg(long, value_name = "GLOB")]
    pub name: Option<NameGlob>,
    /// Which end: the sockets that ask, those that are asked, or both.
    #[arg(long, value_enum, default_value_t = RoleArg::Both)]
    pub role: RoleArg,
    /// Only queries of this Kubernetes pod.
    #[arg(long, value_name = "NAMESPACE/NAME")]
    pub pod: Option<PodFilter>,
    /// Only queries of the container with this name, or with this id (12 digits
    /// of it are enough).
    #[arg(long, value_name = "NAME")]
    pub container: Option<String>,
    /// Only queries of this systemd unit; `unbound` means unbound.service.
    #[arg(long, value_name = "NAME")]
    pub unit: Option<String>,
    /// Look at every send and read from the start, not only while there is a reason:
    /// nothing is missed then, but each costs every socket of the host a little.
    #[arg(long)]
    pub all_hooks: bool,
    /// CRI socket to ask for names of pods and containers [default: those of
    /// containerd, CRI-O, cri-dockerd, k3s, k0s and MicroK8s]
    #[cfg(feature = "k8s")]
    #[arg(long, value_name = "PATH", value_parser = socket)]
    pub cri_endpoint: Option<PathBuf>,
}

impl WatchedArgs {
    /// All of it, for a window; an error says what is wrong with the ports.
    pub fn options(&self) -> Result<watching::Options, clap::Error> {
        Ok(watching::Options {
            ports: self.ports()?,
            timeout: self.timeout,
            filter: self.filter(),
            workloads: self.workloads(),
            all_hooks: self.all_hooks,
        })
    }

    /// How to find out whose a query is.
    pub fn workloads(&self) -> attribution::Options {
        attribution::Options {
            #[cfg(feature = "k8s")]
            cri_endpoint: self.cri_endpoint.clone(),
        }
    }

    /// Which queries are wanted.
    pub fn filter(&self) -> Filter {
        Filter {
            pid: self.pid,
            comm: self.comm,
            name: self.name.clone(),
            role: self.role.role(),
            pod: self.pod.clone(),
            container: self.container.clone(),
            unit: self.unit.clone(),
            ..Filter::default()
        }
    }

    /// An error if anything is chosen: the agent has chosen already what to watch.
    pub fn must_be_the_agents(&self) -> Result<(), clap::Error> {
        let is_default = self.filter().is_all()
            && self.ports.is_empty()
            && self.timeout == DEFAULT_TIMEOUT
            && !self.all_hooks;
        match is_default {
            true => Ok(()),
            false => Err(clap::Error::raw(
                clap::error::ErrorKind::ArgumentConflict,
                "this is about what the agent watched: give filters, --port, \
                 --timeout and --all-hooks to `kerno agent`\n",
            )),
        }
    }

    /// The ports to watch, without repetitions; an error names the limit.
    pub fn ports(&self) -> Result<Vec<u16>, clap::Error> {
        let mut ports = self.ports.clone();
        ports.sort_unstable();
        ports.dedup();
        if ports.is_empty() {
            ports.push(53);
        }
        if ports.len() > PORTS_MAX {
            return Err(clap::Error::raw(
                clap::error::ErrorKind::TooManyValues,
                format!(
                    "at most {PORTS_MAX} ports can be watched, not {}\n",
                    ports.len()
                ),
            ));
        }
        Ok(ports)
    }
}

/// Which role's queries are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleArg {
    /// Sockets that ask.
    Client,
    /// Sockets that are asked: resolvers on this host.
    Server,
    /// Both.
    Both,
}

impl RoleArg {
    /// `None` if both are wanted.
    fn role(self) -> Option<Role> {
        match self {
            Self::Client => Some(Role::Client),
            Self::Server => Some(Role::Server),
            Self::Both => None,
        }
    }
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For a person.
    Pretty,
    /// For a program.
    Json,
}

/// `kerno doctor`.
#[derive(Args, Debug)]
pub struct DoctorArgs {
    /// How long to watch, as 250ms, 30s or 5m; queries that still wait then are
    /// waited for, up to --timeout.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration, conflicts_with_all = ["last", "since"])]
    pub duration: Duration,
    /// How to print the report.
    #[arg(long, value_enum, default_value_t = Format::Pretty)]
    pub output: Format,
    /// Tell the verdict by the exit code: 0 healthy or no traffic, 1 warning
    /// or unknown, 2 critical, 3 could not run.
    #[arg(long)]
    pub exit_code: bool,
    /// A time that is over, as the agent saw it.
    #[command(flatten)]
    pub past: PastArgs,
    /// Where the agent is asked.
    #[command(flatten)]
    pub socket: SocketArg,
    /// What to watch.
    #[command(flatten)]
    pub watched: WatchedArgs,
}

/// `kerno watch`.
#[derive(Args, Debug)]
pub struct WatchArgs {
    /// End after this time [default: on Ctrl-C, or when the reader goes away]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Only what was not answered with NOERROR or NXDOMAIN.
    #[arg(long)]
    pub failed: bool,
    /// Only what took longer, answered or not.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub slower_than: Option<Duration>,
    /// One line for each lookup that is over, not for each message: A and AAAA, the search
    /// list, resends and the next nameserver together, with what each of them cost. One
    /// that failed is told some 6 s later, because its program may go on.
    #[arg(long)]
    pub lookups: bool,
    /// What to watch.
    #[command(flatten)]
    pub watched: WatchedArgs,
}

impl WatchArgs {
    /// Which queries are wanted.
    pub fn filter(&self) -> Filter {
        Filter {
            failed: self.failed,
            slower_than: self.slower_than,
            ..self.watched.filter()
        }
    }
}

/// `kerno verify`.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// How to print the result.
    #[arg(long, value_enum, default_value_t = Output::Pretty)]
    pub output: Output,
}

/// A process name, of which the kernel keeps 15 bytes.
fn comm(text: &str) -> Result<Comm, String> {
    if text.is_empty() || text.len() > 15 {
        return Err("write 1 to 15 bytes: the kernel keeps no more of a process's name".to_owned());
    }
    Ok(Comm::new(text.as_bytes()))
}

/// A socket as the kubelet's options have it, with or without `unix://`.
#[cfg(feature = "k8s")]
fn socket(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text.strip_prefix("unix://").unwrap_or(text));
    match path.is_absolute() {
        true => Ok(path),
        false => Err("write a path as /run/containerd/containerd.sock".to_owned()),
    }
}

/// A duration above zero and up to a day.
fn duration(text: &str) -> Result<Duration, String> {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let duration = humantime::parse_duration(text)
        .map_err(|_| "write a duration as 250ms, 30s or 5m".to_owned())?;
    if duration.is_zero() || duration > DAY {
        return Err("a duration must be above zero and at most 24h".to_owned());
    }
    Ok(duration)
}

/// A timeout within what resolvers use: shorter ones would report queries that
/// are only slow, longer ones would fill the table of queries in flight.
fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = duration(text)?;
    if !(Duration::from_millis(10)..=Duration::from_secs(60)).contains(&timeout) {
        return Err("a timeout must be between 10ms and 60s".to_owned());
    }
    Ok(timeout)
}
