//! Where a scenario plays: pods joined by a node, as on a host of Kubernetes.

use std::any::Any;
use std::fs;
use std::fs::File;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process;
use std::process::Stdio;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use nix::fcntl::Flock;
use nix::fcntl::FlockArg;

use super::client::Ask;
use super::elsewhere::Leaves;
use super::janitor;
use super::janitor::Janitor;
use super::machine::Machine;
use super::outside;
use super::outside::Beyond;
use super::pod::Limit;
use super::pod::Pod;
use super::pod::dns_at;
use super::server::Does;
use super::server::Serve;
use super::server::Served;
use super::stranger;
use super::stranger::Stranger;
use super::undo::Undo;
use super::worker::PROGRAM;
use super::worker::Role;
use super::worker::Worker;
use crate::testbed::Cgroup;
use crate::testbed::Dnsmasq;
use crate::testbed::Namespace;
use crate::testbed::Unbound;
use crate::testbed::tool::DNSMASQ;
use crate::testbed::tool::IP;
use crate::testbed::tool::NFT;
use crate::testbed::tool::UNBOUND;
use crate::testbed::veth;

/// S in the addresses of a site, 112 to 175: two sites at a time have two networks, as far as
/// their processes begin one after the other. Who watches both compares by address.
fn own_network() -> u8 {
    112 + (process::id() % 64) as u8
}

/// The routing table of what goes through what lies outside.
const WAY_OUTSIDE: u32 = 53;

/// A client at work, or about to be.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) pod: Rc<Pod>,
    pub(crate) ask: Ask,
    pub(super) worker: Worker,
}

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) pod: Rc<Pod>,
    pub(crate) serve: Serve,
    pub(super) worker: Worker,
    /// What was served before it was started again.
    pub(super) before: Served,
}

/// A counter of the packet filter: what the wire saw, to hold chaos to it.
#[derive(Debug)]
pub(crate) struct Counter {
    pub(crate) name: &'static str,
    pub(crate) pod: Option<Rc<Pod>>,
}

#[derive(Debug)]
pub(crate) struct Lab {
    /// Below this all names are.
    pub(crate) zone: String,
    pub(crate) machine: Machine,
    /// Routes between the pods, and knows no other way.
    pub(crate) node: Namespace,
    /// Dropped with the lab.
    _resident: Worker,
    pub(crate) pods: Vec<Rc<Pod>>,
    pub(crate) clients: Vec<Client>,
    pub(crate) servers: Vec<Server>,
    pub(crate) resolvers: Vec<Box<dyn Any>>,
    pub(crate) counters: Vec<Counter>,
    /// What lies behind the node, where a scenario has that.
    pub(super) outside: Option<Worker>,
    /// What was done, a sentence each.
    pub(crate) changed: Vec<String>,
    pub(super) janitor: Option<Janitor>,
    /// What else lasts as long as the lab: sockets, locks, programs.
    kept: Vec<Box<dyn Any>>,
}

impl Lab {
    /// A node without pods.
    pub(crate) fn new(zone: &str, machine: Machine) -> Result<Self> {
        let node = Namespace::new()?;
        node.set("ipv4/ip_forward", "1")?;
        let resident = node.command(PROGRAM)?;
        Ok(Self {
            zone: zone.to_owned(),
            machine,
            _resident: Worker::start("the node of the lab", &Role::Resident, resident)?,
            node,
            pods: Vec::new(),
            clients: Vec::new(),
            servers: Vec::new(),
            resolvers: Vec::new(),
            counters: Vec::new(),
            outside: None,
            changed: Vec::new(),
            janitor: None,
            kept: Vec::new(),
        })
    }

    /// A pod at 10.S.N.2, N counted from 1, behind the node at 10.S.N.1. In
    /// the pod the link is called `eth0`, on the node it has the pod's name.
    pub(crate) fn pod(&mut self, name: &'static str) -> Result<Rc<Pod>> {
        let group = self.group(self.machine.cgroups.clone(), name)?;
        self.linked_pod(name, group.into_iter().collect())
    }

    /// The same with a limit of its control group.
    pub(crate) fn limited_pod(&mut self, name: &'static str, limit: Limit) -> Result<Rc<Pod>> {
        let mut groups = Vec::new();
        let mut limited = false;
        let version_1 = match limit {
            Limit::Cpu(_) => self.machine.cpu_cgroups.clone(),
            Limit::Memory(_) => self.machine.memory_cgroups.clone(),
        };
        for mount in [self.machine.cgroups.clone(), version_1] {
            if let Some(group) = self.group(mount.filter(|_| !limited), name)? {
                limited = match limit {
                    Limit::Cpu(quota) => group.limit(quota)?,
                    Limit::Memory(octets) => group.limit_memory(octets)?,
                };
                groups.push(group);
            }
        }
        if !limited {
            let (controller, property) = match limit {
                Limit::Cpu(_) => ("CPU", "CPUWeight=100"),
                Limit::Memory(_) => ("memory", "MemoryAccounting=yes"),
            };
            bail!(
                "this scenario needs the {controller} controller of control groups, which this \
                 host has nowhere: with systemd, `systemctl set-property system.slice {property}` \
                 turns it on"
            );
        }
        self.linked_pod(name, groups)
    }

    fn linked_pod(&mut self, name: &'static str, groups: Vec<Cgroup>) -> Result<Rc<Pod>> {
        let number = u8::try_from(self.pods.len() + 1).context("too many pods")?;
        let pod = Pod {
            name,
            namespace: Namespace::new()?,
            ip: Ipv4Addr::new(10, own_network(), number, 2),
            groups,
        };
        let gateway = pod.neighbour(1);
        veth::join(
            &veth::End {
                namespace: &self.node,
                device: name,
                addresses: &[&format!("{gateway}/24")],
            },
            &veth::End {
                namespace: &pod.namespace,
                device: "eth0",
                addresses: &[&format!("{}/24", pod.ip)],
            },
        )?;
        let route = format!("route add default via {gateway}");
        pod.namespace.run(IP, &route, "")?;
        let pod = Rc::new(pod);
        self.pods.push(Rc::clone(&pod));
        Ok(pod)
    }

    /// The same with a DNS server without faults in it.
    pub(crate) fn dns_pod(&mut self, name: &'static str) -> Result<Rc<Pod>> {
        let pod = self.pod(name)?;
        self.serve(&pod, Serve::well("lab-dns", pod.dns()))?;
        Ok(pod)
    }

    /// Such a pod, called `server`, one with a name of its own, and a `client`.
    pub(crate) fn well_and(&mut self, name: &'static str) -> Result<[Rc<Pod>; 3]> {
        Ok([
            self.dns_pod("server")?,
            self.pod(name)?,
            self.pod("client")?,
        ])
    }

    /// A pod called `server` with a DNS server that does this to all queries for
    /// names of the group `bad`, and a `client`.
    pub(crate) fn bad_server(&mut self, does: Does) -> Result<[Rc<Pod>; 2]> {
        let server = self.pod("server")?;
        self.serve(&server, Serve::badly("lab-dns", server.dns(), does))?;
        Ok([server, self.pod("client")?])
    }

    fn group(&mut self, mount: Option<PathBuf>, pod: &str) -> Result<Option<Cgroup>> {
        let Some(mount) = mount else {
            return Ok(None);
        };
        let path = mount.join(format!("kerno-lab-{}-{pod}", std::process::id()));
        self.promise(&Undo::RemoveGroup(path.clone()))?;
        Ok(Some(Cgroup::new(path)?))
    }

    /// Waits until every pod's link carries packets.
    pub(crate) fn await_links(&self) -> Result<()> {
        self.pods.iter().try_for_each(|pod| {
            pod.namespace.await_running("eth0")?;
            self.node.await_running(pod.name)
        })
    }

    /// Starts a server in a pod; it listens on return.
    pub(crate) fn serve(&mut self, pod: &Rc<Pod>, serve: Serve) -> Result<()> {
        let name = format!("the DNS server {} of the lab", serve.comm);
        let role = Role::Server(serve.clone());
        let worker = Worker::start(&name, &role, pod.command(PROGRAM)?)?;
        let pod = Rc::clone(pod);
        self.servers.push(Server {
            pod,
            serve,
            worker,
            before: Served::default(),
        });
        Ok(())
    }

    /// The server of a pod ends, and another process is in its place so much later.
    pub(crate) fn restart(&mut self, pod: &str, after: Duration) -> Result<()> {
        let place = self.servers.iter().position(|it| it.pod.name == pod);
        let server = self.servers.remove(place.context("no such server")?);
        let before = server.worker.finish()?;
        thread::sleep(after);
        self.serve(&server.pod, server.serve)?;
        if let Some(again) = self.servers.last_mut() {
            again.before = before;
        }
        Ok(())
    }

    /// Gives IPv6 addresses to pods, too.
    pub(crate) fn add_ipv6(&self, pods: &[&Rc<Pod>]) -> Result<()> {
        self.node.set("ipv6/conf/all/forwarding", "1")?;
        for pod in pods {
            let (name, number, ip) = (pod.name, pod.number(), pod.ip6());
            let on_the_node = format!("address add fd78:{number:x}::1/64 dev {name} nodad\n");
            let in_the_pod = format!(
                "address add {ip}/64 dev eth0 nodad\n\
                 route add default via fd78:{number:x}::1\n"
            );
            self.node.run(IP, "-6 -batch -", &on_the_node)?;
            pod.namespace.run(IP, "-6 -batch -", &in_the_pod)?;
        }
        self.node.await_addresses()?;
        pods.iter()
            .try_for_each(|pod| pod.namespace.await_addresses())
    }

    /// Starts unbound on these addresses of a pod, with names of its own and what
    /// it forwards to.
    pub(crate) fn resolve(
        &mut self,
        pod: &Rc<Pod>,
        listens: &[IpAddr],
        configuration: &str,
    ) -> Result<()> {
        let mut command = pod.command(UNBOUND.find()?)?;
        command.stderr(Stdio::null());
        let listens: Vec<SocketAddr> = listens.iter().copied().map(dns_at).collect();
        let resolver = Unbound::start(command, &pod.namespace, &listens, configuration)?;
        self.resolvers.push(Box::new(resolver));
        Ok(())
    }

    /// Starts dnsmasq on the DNS port of a pod, with these options beside those that it needs.
    pub(crate) fn forward(&mut self, pod: &Rc<Pod>, options: &[String]) -> Result<()> {
        let mut command = pod.command(DNSMASQ.find()?)?;
        command.args(options).stderr(Stdio::null());
        let forwarder = Dnsmasq::start(command, &pod.namespace, pod.dns())?;
        self.resolvers.push(Box::new(forwarder));
        Ok(())
    }

    /// Starts a client in a pod; it asks as soon as all is made.
    pub(crate) fn ask(&mut self, pod: &Rc<Pod>, ask: Ask) -> Result<()> {
        let name = format!("the client {} of the lab", ask.comm);
        let role = Role::Client(ask.clone());
        let worker = Worker::start(&name, &role, pod.command(PROGRAM)?)?;
        let pod = Rc::clone(pod);
        self.clients.push(Client { pod, ask, worker });
        Ok(())
    }

    pub(crate) fn keep(&mut self, what: impl Any) {
        self.kept.push(Box::new(what));
    }

    /// Says what is done to the site, as one sentence for the report.
    pub(crate) fn change(&mut self, sentence: impl Into<String>) {
        self.changed.push(sentence.into());
    }

    /// Loads rules of nft into a pod or, without one, the node, and remembers the
    /// counters of their table, which is called `kerno`.
    pub(crate) fn nft(
        &mut self,
        pod: Option<&Rc<Pod>>,
        rules: &str,
        counters: &[&'static str],
    ) -> Result<()> {
        let place = pod.map_or(&self.node, |pod| &pod.namespace);
        place.run(NFT, "-f -", rules)?;
        let named = counters.iter().map(|&name| Counter {
            name,
            pod: pod.cloned(),
        });
        self.counters.extend(named);
        Ok(())
    }

    /// One rule of nft in a hook of a pod or, without one, of the node: what
    /// `matches` is counted by a counter of that name and has the `verdict`.
    pub(crate) fn filter(
        &mut self,
        pod: Option<&Rc<Pod>>,
        hook: &str,
        matches: &str,
        counter: &'static str,
        verdict: &str,
    ) -> Result<()> {
        let rules = format!(
            "table inet kerno {{
                counter {counter} {{ }}
                chain {hook} {{
                    type filter hook {hook} priority 0;
                    {matches} counter name {counter} {verdict}
                }}
            }}"
        );
        self.nft(pod, &rules, &[counter])
    }

    /// An address outside that swallows everything ([`outside`]).
    pub(crate) fn silent_outside(&mut self, ip: Ipv4Addr) -> Result<()> {
        self.outside_at(ip, Beyond::Silence)
    }

    /// A DNS server outside, which leaves these without an answer.
    pub(crate) fn server_outside(&mut self, ip: Ipv4Addr, leaves: Leaves) -> Result<()> {
        self.outside_at(ip, Beyond::Server(leaves))
    }

    fn outside_at(&mut self, ip: Ipv4Addr, beyond: Beyond) -> Result<()> {
        let worker = self.beyond(beyond)?;
        let device = outside::DEVICE.to_string_lossy();
        let script = format!(
            "address add 198.51.100.1/24 dev {device}\n\
             link set {device} up\n\
             route add {ip}/32 dev {device}\n"
        );
        self.node.run(IP, "-batch -", &script)?;
        self.outside = Some(worker);
        Ok(())
    }

    /// Keeps the node's namespace, and nothing else of the lab, for ten seconds from now.
    pub(super) fn let_node_stay(&self) -> Result<()> {
        // A signal goes to who dies with this process, and not to its children (prctl(2)).
        let script = "sleep 10 </dev/null >/dev/null 2>&1 &";
        let mut stay = self.node.command("sh")?;
        let done = stay.args(["-c", script]).status();
        done.context("cannot start a shell")?;
        Ok(())
    }

    /// Processes on the node that use all that they get of this CPU.
    pub(crate) fn hogs(&mut self, number: usize, cpu: usize) -> Result<()> {
        for _ in 0..number {
            let command = self.node.command(PROGRAM)?;
            let hog = Worker::start("a busy process of the lab", &Role::Hog(cpu), command)?;
            self.keep(hog);
        }
        Ok(())
    }

    /// A client of another host, behind a device of its own of the pod, asks the pod's server.
    pub(crate) fn stranger(&mut self, pod: &Pod) -> Result<()> {
        let stranger = Stranger {
            server: pod.ip,
            zone: self.zone.clone(),
        };
        let command = pod.command(PROGRAM)?;
        let worker = Worker::start(
            "the client of another host",
            &Role::Stranger(stranger),
            command,
        )?;
        let device = outside::DEVICE.to_string_lossy();
        let script = format!(
            "address add {} dev {device}\n\
             link set {device} up\n",
            stranger::GATEWAY
        );
        pod.namespace.run(IP, "-batch -", &script)?;
        self.outside = Some(worker);
        Ok(())
    }

    fn beyond(&self, beyond: Beyond) -> Result<Worker> {
        let command = self.node.command(PROGRAM)?;
        Worker::start("what is outside the lab", &Role::Outside(beyond), command)
    }

    /// What one pod sends to another goes through what lies outside, and comes back from there
    /// as that has it.
    pub(crate) fn way_outside(&mut self, from: &Pod, to: &Pod, beyond: Beyond) -> Result<()> {
        let worker = self.beyond(beyond)?;
        let device = outside::DEVICE.to_string_lossy();
        for conf in ["all", &device] {
            self.node.set(&format!("ipv4/conf/{conf}/rp_filter"), "0")?;
        }
        // What comes back from there is routed as ever.
        let script = format!(
            "address add 198.51.100.1/24 dev {device}\n\
             link set {device} up\n\
             route add default dev {device} table {WAY_OUTSIDE}\n\
             rule add iif {} to {}/32 lookup {WAY_OUTSIDE}\n",
            from.name, to.ip
        );
        self.node.run(IP, "-batch -", &script)?;
        self.outside = Some(worker);
        Ok(())
    }

    /// Has the janitor undo it on every way out. Call it before the change.
    fn promise(&mut self, undo: &Undo) -> Result<()> {
        let janitor = match self.janitor.take() {
            Some(janitor) => janitor,
            None => Janitor::start()?,
        };
        self.janitor.insert(janitor).promise(undo)
    }

    /// A limit of the whole machine, as it is. Others of kerno who change it wait until this
    /// lab ends.
    pub(crate) fn limit(&mut self, path: &'static str) -> Result<MachineLimit> {
        let file = File::open(path).with_context(|| format!("cannot open {path}"))?;
        let lock = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error);
        self.keep(lock.with_context(|| format!("cannot lock {path}"))?);
        // Whoever had it may have been killed.
        janitor::after_the_killed()?;
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
        let now = text.trim().parse();
        let now = now.with_context(|| format!("{path} has no number"))?;
        Ok(MachineLimit { path, now })
    }

    /// Sets it for as long as the lab is there.
    pub(crate) fn set_limit(&mut self, limit: &MachineLimit, to: u64) -> Result<()> {
        let MachineLimit { path, now } = limit;
        self.promise(&Undo::Write {
            path: PathBuf::from(path),
            before: now.to_string(),
            set: to.to_string(),
        })?;
        fs::write(path, to.to_string())
            .with_context(|| format!("cannot write {path}, which only the host itself may"))
    }
}

/// A limit of the whole machine that this lab alone may change.
#[derive(Debug)]
pub(crate) struct MachineLimit {
    path: &'static str,
    pub(crate) now: u64,
}
