//! End-to-end tests: real clients ask real servers, and `kerno watch` must tell
//! of every query, once for each role, what the client and the server know.
//!
//! All need root, and a test that cannot run fails. Each has network namespaces,
//! cgroups, addresses and a DNS zone of its own, so they run in parallel. No
//! packet leaves the machine: the servers answer from local data only, and the
//! namespaces have no route out. `tests/README.md` says what must be installed.

// What the tests run in and with.
mod ask;
mod cgroup;
mod fake_server;
mod firewall;
mod forge;
mod message;
mod place;
mod process;
mod prometheus;
mod pty;
mod resolved;
mod router;
mod silent_files;
mod site;
mod unbound;
mod wall_clock;

// What they look at.
mod doctor;
mod exchange;
#[cfg(target_arch = "x86_64")]
mod injected;
mod listening;
mod record;
mod watch;

// A CRI server, shared with the unit tests of its client, which use all of it.
#[cfg(feature = "k8s")]
#[allow(dead_code)]
#[path = "../../src/attribution/names/cri/fake.rs"]
mod fake_cri;

// The tests, a file for each theme.
mod agent;
mod agent_faults;
mod agent_history;
mod agent_live;
mod agent_manners;
mod agent_names;
mod agent_world;
mod alerts;
mod chaos;
mod clients_libc;
mod clients_stub;
mod clients_tools;
mod counters;
mod demand;
mod dropped_at_ends;
mod dropped_at_sockets;
mod dropped_evidence;
mod dropped_on_the_way;
mod dropped_unseen;
mod endings;
mod failed_calls;
mod filters;
mod from_the_host;
mod gave_up;
mod healthy;
mod hostile;
mod lookups;
mod metrics;
mod nat;
mod neighbours;
mod not_fooled;
mod outcomes_late;
mod outcomes_refused;
mod outcomes_unanswered;
mod privileges;
mod rcodes;
mod reads;
mod reports;
mod restricted;
mod shapes;
mod slow_reader;
mod starved;
mod tcp;
mod top;
mod top_unread;
mod translated;
mod workloads;
#[cfg(feature = "k8s")]
mod workloads_cri;
