//! Where a scenario plays: pods joined by a node, as on a host of Kubernetes.

use std::any::Any;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

use super::client::Ask;
use super::group::Group;
use super::group::cpu_mount_point;
use super::namespace::Namespace;
use super::part::PROGRAM;
use super::part::Part;
use super::part::Role;
use super::resolver::Resolver;
use super::server::Serve;
use super::tool::IP;
use super::tool::NFT;
use super::undo::Janitor;
use super::undo::Undo;
use super::world;
use crate::chaos::target::DNS_PORT;
use crate::host::cgroup_mount_point;

/// A network namespace with one cable to the node.
#[derive(Debug)]
pub(super) struct Pod {
    /// Its name, and that of the node's end of its cable.
    pub(super) name: &'static str,
    pub(super) namespace: Namespace,
    pub(super) ip: Ipv4Addr,
    /// One of version 2, where the host has that, and one that limits CPU time,
    /// where that takes another.
    groups: Vec<Group>,
}

impl Pod {
    /// A command that will run in the pod: its namespace and its control group.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Result<Command> {
        let mut command = self.namespace.command(program)?;
        for group in &self.groups {
            let mut entrance = group.entrance()?;
            let enter = move || entrance.write_all(b"0");
            // SAFETY: a system call on a descriptor that was opened before.
            unsafe { command.pre_exec(enter) };
        }
        Ok(command)
    }

    /// Its control group of version 2, for programs to be attached to.
    pub(super) fn group(&self) -> Result<File> {
        let group = self.groups.first();
        group
            .context("this scenario needs control groups of version 2, which are not mounted here")?
            .open()
    }

    /// The node's end of its cable.
    pub(super) fn gateway(&self) -> Ipv4Addr {
        let [a, b, c, _] = self.ip.octets();
        Ipv4Addr::new(a, b, c, 1)
    }

    /// Its IPv6 address, where a scenario has that: fd78:N::2.
    pub(super) fn ip6(&self) -> Ipv6Addr {
        Ipv6Addr::new(0xfd78, self.number(), 0, 0, 0, 0, 0, 2)
    }

    /// N in its addresses.
    fn number(&self) -> u16 {
        let [_, _, number, _] = self.ip.octets();
        number.into()
    }

    /// Where a DNS server of it listens.
    pub(super) fn dns(&self) -> SocketAddr {
        dns_at(self.ip)
    }
}

/// The DNS port of an address.
pub(super) fn dns_at(ip: impl Into<IpAddr>) -> SocketAddr {
    SocketAddr::new(ip.into(), DNS_PORT)
}

/// A client at work, or about to be.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) pod: Rc<Pod>,
    pub(super) ask: Ask,
    pub(super) part: Part,
}

/// A server at work.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) pod: Rc<Pod>,
    pub(super) serve: Serve,
    pub(super) part: Part,
}

/// A counter of the packet filter: what the wire saw, to hold chaos to it.
#[derive(Debug)]
pub(super) struct Counter {
    pub(super) name: &'static str,
    /// nft's table that has it.
    pub(super) table: &'static str,
    /// Whose table it is; `None` for the node's.
    pub(super) pod: Option<Rc<Pod>>,
}

/// The site of a scenario.
#[derive(Debug)]
pub(super) struct Lab {
    /// Below this all names are.
    pub(super) zone: String,
    /// Routes between the pods, and knows no other way.
    pub(super) node: Namespace,
    /// Dropped with the lab.
    _resident: Part,
    pub(super) pods: Vec<Rc<Pod>>,
    pub(super) clients: Vec<Client>,
    pub(super) servers: Vec<Server>,
    pub(super) resolvers: Vec<Resolver>,
    pub(super) counters: Vec<Counter>,
    /// What lies behind the node, where a scenario has that.
    pub(super) world: Option<Part>,
    /// What was done, a sentence each.
    pub(super) changed: Vec<String>,
    pub(super) janitor: Option<Janitor>,
    /// What else lasts as long as the lab: sockets, locks, programs.
    kept: Vec<Box<dyn Any>>,
}

impl Lab {
    /// A node without pods.
    pub(super) fn new(zone: &str) -> Result<Self> {
        let node = Namespace::new()?;
        IP.run(&node, "link set lo up", "")?;
        node.set("ipv4/ip_forward", "1")?;
        let resident = node.command(PROGRAM)?;
        Ok(Self {
            zone: zone.to_owned(),
            _resident: Part::start("the node of the lab", &Role::Resident, resident)?,
            node,
            pods: Vec::new(),
            clients: Vec::new(),
            servers: Vec::new(),
            resolvers: Vec::new(),
            counters: Vec::new(),
            world: None,
            changed: Vec::new(),
            janitor: None,
            kept: Vec::new(),
        })
    }

    /// A pod at 10.78.N.2, N counted from 1, behind the node at 10.78.N.1. In
    /// the pod the cable is called `eth0`, on the node it has the pod's name.
    pub(super) fn pod(&mut self, name: &'static str) -> Result<Rc<Pod>> {
        let group = self.group(cgroup_mount_point(), name)?;
        self.cabled_pod(name, group.into_iter().collect())
    }

    /// The same with a CPU limit: so much CPU time in each tenth of a second.
    pub(super) fn limited_pod(&mut self, name: &'static str, cpu: Duration) -> Result<Rc<Pod>> {
        let mut groups = Vec::new();
        let mut limited = false;
        for mount in [cgroup_mount_point(), cpu_mount_point()] {
            if let Some(group) = self.group(mount.filter(|_| !limited), name)? {
                limited = group.limit(cpu)?;
                groups.push(group);
            }
        }
        if !limited {
            bail!(
                "this scenario needs the CPU controller of control groups, which this host has \
                 nowhere: with systemd, `systemctl set-property system.slice CPUWeight=100` turns it on"
            );
        }
        self.cabled_pod(name, groups)
    }

    fn cabled_pod(&mut self, name: &'static str, groups: Vec<Group>) -> Result<Rc<Pod>> {
        let number = u8::try_from(self.pods.len() + 1).context("too many pods")?;
        let pod = Pod {
            name,
            namespace: Namespace::new()?,
            ip: Ipv4Addr::new(10, 78, number, 2),
            groups,
        };
        let far = pod.namespace.path();
        let on_the_node = format!(
            "link add {name} type veth peer name eth0 netns {far}\n\
             address add 10.78.{number}.1/24 dev {name}\n\
             link set {name} up\n"
        );
        let in_the_pod = format!(
            "link set lo up\n\
             address add {}/24 dev eth0\n\
             link set eth0 up\n\
             route add default via 10.78.{number}.1\n",
            pod.ip
        );
        IP.run(&self.node, "-batch -", &on_the_node)?;
        IP.run(&pod.namespace, "-batch -", &in_the_pod)?;
        let pod = Rc::new(pod);
        self.pods.push(Rc::clone(&pod));
        Ok(pod)
    }

    fn group(&mut self, mount: Option<PathBuf>, pod: &str) -> Result<Option<Group>> {
        let Some(mount) = mount else {
            return Ok(None);
        };
        let path = Group::path_for(&mount, pod);
        self.promise(&Undo::RemoveGroup(path.clone()))?;
        Ok(Some(Group::new(path)?))
    }

    /// Waits until every pod's cable carries packets.
    pub(super) fn await_cables(&self) -> Result<()> {
        self.pods.iter().try_for_each(|pod| {
            pod.namespace.await_running("eth0")?;
            self.node.await_running(pod.name)
        })
    }

    /// Starts a server in a pod; it listens on return.
    pub(super) fn serve(&mut self, pod: &Rc<Pod>, serve: Serve) -> Result<()> {
        let name = format!("the DNS server {} of the lab", serve.comm);
        let role = Role::Server(serve);
        let part = Part::start(&name, &role, pod.command(PROGRAM)?)?;
        if let Role::Server(serve) = role {
            let pod = Rc::clone(pod);
            self.servers.push(Server { pod, serve, part });
        }
        Ok(())
    }

    /// Gives IPv6 addresses to pods, too.
    pub(super) fn add_ipv6(&self, pods: &[&Rc<Pod>]) -> Result<()> {
        self.node.set("ipv6/conf/all/forwarding", "1")?;
        for pod in pods {
            let (name, number, ip) = (pod.name, pod.number(), pod.ip6());
            let on_the_node = format!("address add fd78:{number:x}::1/64 dev {name} nodad\n");
            let in_the_pod = format!(
                "address add {ip}/64 dev eth0 nodad\n\
                 route add default via fd78:{number:x}::1\n"
            );
            IP.run(&self.node, "-6 -batch -", &on_the_node)?;
            IP.run(&pod.namespace, "-6 -batch -", &in_the_pod)?;
        }
        self.node.await_addresses()?;
        pods.iter()
            .try_for_each(|pod| pod.namespace.await_addresses())
    }

    /// Starts unbound on these addresses of a pod, with names of its own and what
    /// it forwards to.
    pub(super) fn resolve(
        &mut self,
        pod: &Rc<Pod>,
        listens: &[IpAddr],
        configuration: &str,
    ) -> Result<()> {
        let resolver = Resolver::start(pod, listens, configuration)?;
        self.resolvers.push(resolver);
        Ok(())
    }

    /// Starts a client in a pod; it asks as soon as all is made.
    pub(super) fn ask(&mut self, pod: &Rc<Pod>, ask: Ask) -> Result<()> {
        let name = format!("the client {} of the lab", ask.comm);
        let role = Role::Client(ask);
        let part = Part::start(&name, &role, pod.command(PROGRAM)?)?;
        if let Role::Client(ask) = role {
            let pod = Rc::clone(pod);
            self.clients.push(Client { pod, ask, part });
        }
        Ok(())
    }

    /// Keeps something until all is undone.
    pub(super) fn keep(&mut self, what: impl Any) {
        self.kept.push(Box::new(what));
    }

    /// Says what is done to the site, as one sentence for the report.
    pub(super) fn change(&mut self, sentence: impl Into<String>) {
        self.changed.push(sentence.into());
    }

    /// Loads rules of nft on the node, and remembers their counters: `(table,
    /// counter)` each.
    pub(super) fn nft(
        &mut self,
        rules: &str,
        counters: &[(&'static str, &'static str)],
    ) -> Result<()> {
        NFT.run(&self.node, "-f -", rules)?;
        self.remember(counters, None);
        Ok(())
    }

    /// The same in a pod.
    pub(super) fn nft_in(
        &mut self,
        pod: &Rc<Pod>,
        rules: &str,
        counters: &[(&'static str, &'static str)],
    ) -> Result<()> {
        NFT.run(&pod.namespace, "-f -", rules)?;
        self.remember(counters, Some(pod));
        Ok(())
    }

    fn remember(&mut self, counters: &[(&'static str, &'static str)], pod: Option<&Rc<Pod>>) {
        let named = counters.iter().map(|&(table, name)| Counter {
            name,
            table,
            pod: pod.map(Rc::clone),
        });
        self.counters.extend(named);
    }

    /// An address out in the world that swallows everything ([`world`]).
    pub(super) fn silent_world(&mut self, ip: Ipv4Addr) -> Result<()> {
        let command = self.node.command(PROGRAM)?;
        let part = Part::start("the world outside the lab", &Role::World, command)?;
        let device = world::DEVICE.to_string_lossy();
        let script = format!(
            "address add 198.51.100.1/24 dev {device}\n\
             link set {device} up\n\
             route add {ip}/32 dev {device}\n"
        );
        IP.run(&self.node, "-batch -", &script)?;
        self.world = Some(part);
        Ok(())
    }

    /// Has the janitor undo it on every way out. Call it before the change.
    pub(super) fn promise(&mut self, undo: &Undo) -> Result<()> {
        let janitor = match self.janitor.take() {
            Some(janitor) => janitor,
            None => Janitor::start()?,
        };
        self.janitor.insert(janitor).promise(undo)
    }
}
