//! The first look at whom an attempt brought.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use super::book::Book;
use super::c_library;
use super::history::History;
use super::listener;
use super::netns::Way;
use super::resolv_conf;
use super::route;
use super::subject::Client;
use super::subject::Server;
use super::subject::Subject;
use super::udp_sockets;
use crate::attempt::Role;

/// What to look at.
#[derive(Clone, Copy, Debug)]
pub(super) enum Newcomer {
    /// A process, and the namespace of its socket.
    Process { role: Role, pid: u32, netns: u32 },
    /// A client that has ended and was not harmed: nobody will ask for it.
    Gone { pid: u32 },
    /// A server's socket whose process is not known.
    Listener { netns: u32, address: SocketAddr },
    /// A namespace that was not there at the start, or in which packets are
    /// dropped, and a process that has a socket in it.
    Namespace {
        netns: u32,
        pid: Option<u32>,
        /// Packets are dropped in it.
        drops: bool,
    },
    /// The way from a namespace to an address.
    Route {
        netns: u32,
        pid: Option<u32>,
        ip: IpAddr,
    },
}

/// Looks at one newcomer. The book is open only while something is written or
/// read from procfs and control groups; files of strangers, which may hang, are
/// read while it is closed.
pub(super) fn look_at(book: &Mutex<Book>, newcomer: Newcomer) {
    let open = || book.lock().unwrap_or_else(PoisonError::into_inner);
    match newcomer {
        Newcomer::Process {
            role: Role::Server,
            pid,
            netns,
        } => server(&mut open(), pid, netns),
        Newcomer::Process {
            role: Role::Client,
            pid,
            ..
        } => client(open, pid),
        Newcomer::Gone { pid } => drop(open().clients.remove(&pid)),
        Newcomer::Namespace { netns, pid, drops } => open().meet_namespace(netns, pid, drops),
        Newcomer::Listener { netns, address } => listener(&mut open(), netns, address),
        Newcomer::Route { netns, pid, ip } => {
            let mut book = open();
            let known = book
                .way(netns, pid)
                .and_then(|way| way.visit(netns, |net| route::is_known(net, ip)))
                .flatten();
            book.routes.extend(known.map(|known| ((netns, ip), known)));
        }
    }
}

fn listener(book: &mut Book, netns: u32, address: SocketAddr) {
    let find = |net: &Path| listener::find(net, netns, address);
    let way = book.way(netns, None);
    let Some(pid) = way.and_then(|way| way.visit(netns, find)).flatten() else {
        return;
    };
    book.listeners.insert((netns, address), pid);
    if !book.servers.contains_key(&pid) {
        server(book, pid, netns);
    }
}

fn server(book: &mut Book, pid: u32, netns: u32) {
    let Some(subject) = Subject::meet(pid, &book.hierarchies, true) else {
        return;
    };
    // Which of them are DNS is known at the end.
    let drops = sockets(pid, netns, None);
    book.met(&subject);
    let history = History::new(subject.cpu.clone());
    book.servers.insert(
        pid,
        Server {
            subject,
            netns,
            drops,
            history,
        },
    );
}

/// The drops of its UDP sockets in a namespace, on certain ports if that is said.
pub(super) fn sockets(
    pid: u32,
    netns: u32,
    ports: Option<&BTreeSet<u16>>,
) -> Option<udp_sockets::Drops> {
    Way::through(pid, netns)?
        .visit(netns, |net| udp_sockets::drops(net, pid, ports))
        .flatten()
}

fn client<'a>(open: impl Fn() -> MutexGuard<'a, Book>, pid: u32) {
    {
        let mut book = open();
        let Some(subject) = Subject::meet(pid, &book.hierarchies, false) else {
            return;
        };
        book.met(&subject);
        book.clients.insert(
            pid,
            Client {
                subject,
                resolv_conf: None,
                library: None,
            },
        );
    }
    let resolv_conf = resolv_conf::of(pid);
    if let Err(error) = &resolv_conf {
        log::debug!("no resolv.conf of process {pid}: {error}");
    }
    let library = c_library::of(pid);
    if let Some(client) = open().clients.get_mut(&pid) {
        client.resolv_conf = resolv_conf.ok();
        client.library = library;
    }
}
