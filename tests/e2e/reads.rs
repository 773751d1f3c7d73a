//! Answers that lie in their client's socket, and queries in their server's.

use std::net::SocketAddr;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use kerno::attempt::Outcome;
use kerno::attempt::Role;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::PollTimeout;
use nix::poll::poll;

use crate::ask::connected;
use crate::ask::dial;
use crate::ask::read_message;
use crate::ask::unconnected;
use crate::ask::write_message;
use crate::cgroup::Cgroup;
use crate::fake_server;
use crate::fake_server::at_once;
use crate::listening::Listening;
use crate::message;
use crate::process::PATIENCE;
use crate::site::SERVER_V4;
use crate::site::SERVER_V6;
use crate::site::Site;

/// How long an answer lies; many times what is told.
const LIES: Duration = Duration::from_millis(300);

/// An answer that lay for less is not told.
const TOLD_FROM: Duration = Duration::from_millis(50);
/// Ids from here on are of exchanges that were to be prompt, and in which this test
/// itself did not get to run in time.
const NOT_PROMPT: u16 = 1_000;

/// Asks and reads at once, until that was so fast that the answer cannot have lain for
/// long. Returns the id if it was not so the first time.
fn promptly(id: u16, mut exchange: impl FnMut(u16)) -> Option<u16> {
    let mut is_prompt = |id| {
        let begin = Instant::now();
        exchange(id);
        begin.elapsed() < TOLD_FROM
    };
    if is_prompt(id) {
        return None;
    }
    let _last = (1..=50).find(|again| is_prompt(id + again * NOT_PROMPT));
    Some(id)
}

#[test]
fn root_an_answer_that_lies_unread_is_told_and_a_prompt_one_is_not() {
    let site = Site::new();
    let mut listening = Listening::start(&site);
    let mut not_prompt = Vec::new();
    for (server, id) in [(SERVER_V4, 100), (SERVER_V6, 200)] {
        let server = SocketAddr::new(server, 53);
        fake_server::serve(&site.server, server, |query, _| at_once(query));
        let connected = connected(&site.client, server);
        let unconnected = unconnected(&site.client, server.ip());
        for (socket, id) in [(&connected, id), (&unconnected, id + 10)] {
            // Prompt, slow, prompt, looked at but not taken.
            for (number, slow) in [false, true, false, true].into_iter().enumerate() {
                let id = id + u16::try_from(number).expect("below 4");
                let exchange = |id| {
                    let name = message::labels(&site.name("slow"));
                    let query = message::query(id, &name, message::A);
                    socket.send_to(&query, server).expect("to ask");
                    let mut answer = [0; 512];
                    if slow {
                        await_readable(socket);
                        thread::sleep(LIES);
                        socket.peek(&mut answer).expect("an answer");
                    }
                    socket.recv(&mut answer).expect("an answer");
                };
                match slow {
                    true => exchange(id),
                    false => not_prompt.extend(promptly(id, exchange)),
                }
            }
        }
    }
    // What else there was would have been told before the last.
    listening.until("the last slow read", |told| {
        told.slow_reads.iter().any(|read| read.id == 213)
    });
    let counts = |id| id < NOT_PROMPT && !not_prompt.contains(&id);
    listening.slow_reads.retain(|read| counts(read.id));
    let ids: Vec<_> = listening.slow_reads.iter().map(|read| read.id).collect();
    assert_eq!(ids, [101, 103, 111, 113, 201, 203, 211, 213]);
    for read in &listening.slow_reads {
        let lay = Duration::from_nanos(read.lay_ns);
        assert!(lay >= LIES && lay < PATIENCE, "{read:?}");
        assert_eq!(read.owner.pid, Some(std::process::id()), "{read:?}");
        assert_eq!(read.owner.cgroup_id, Cgroup::own().id(), "{read:?}");
        let of_it = |answered: &&kerno::attempt::Attempt| {
            answered.role == Role::Client && answered.id == Some(read.id)
        };
        let answered = listening.attempts.iter().find(of_it).expect("its attempt");
        assert_eq!(answered.outcome, Outcome::Answered, "{answered:?}");
        assert_eq!(answered.cookie, read.cookie, "{answered:?} {read:?}");
        // DNS was quick; the reader was not.
        assert!(answered.elapsed() < LIES, "{answered:?}");
    }
}

#[test]
fn root_an_answer_over_tcp_that_lies_unread_is_told() {
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    fake_server::serve(&site.server, server, |query, _| at_once(query));
    let mut listening = Listening::start(&site);
    let mut stream = dial(&site.client, server);
    let mut not_prompt = Vec::new();
    for (id, slow) in [(1, false), (2, true), (3, false), (4, true)] {
        let mut exchange = |id| {
            let query = message::query(id, &message::labels(&site.name("slow")), message::A);
            write_message(&mut stream, &query);
            if slow {
                await_readable(&stream);
                thread::sleep(LIES);
            }
            read_message(&mut stream);
        };
        match slow {
            true => exchange(id),
            false => not_prompt.extend(promptly(id, exchange)),
        }
    }
    listening.until("the last slow read", |told| {
        told.slow_reads.iter().any(|read| read.id == 4)
    });
    let counts = |id| id < NOT_PROMPT && !not_prompt.contains(&id);
    listening.slow_reads.retain(|read| counts(read.id));
    let ids: Vec<_> = listening.slow_reads.iter().map(|read| read.id).collect();
    assert_eq!(ids, [2, 4], "{:?}", listening.slow_reads);
}

/// Each query finds what those before it left.
#[test]
fn root_queries_pile_up_at_a_server_that_does_not_read() {
    const QUERIES: u16 = 8;
    let site = Site::new();
    for server in [SERVER_V4, SERVER_V6] {
        let mut listening = Listening::start(&site);
        let server = SocketAddr::new(server, 53);
        let idle = fake_server::silent(&site.server, server);
        let client = connected(&site.client, server);
        let ask = |id| {
            let query = message::query(id, &message::labels(&site.name("queue")), message::A);
            client.send(&query).expect("to ask");
        };
        for id in 0..QUERIES {
            ask(id);
        }
        drain(&idle, QUERIES);
        ask(QUERIES);

        let at_server = |told: &Listening| {
            let mut depths: Vec<_> = told
                .attempts
                .iter()
                .filter(|attempt| attempt.role == Role::Server)
                .map(|attempt| (attempt.id, attempt.queued_bytes))
                .collect();
            depths.sort_unstable();
            depths
        };
        let all = usize::from(QUERIES) + 1;
        listening.until("every query", |told| at_server(told).len() == all);
        let depths = at_server(&listening);
        let (first, last) = (depths[0], depths[all - 1]);
        assert_eq!(first, (Some(0), 0), "an empty queue: {depths:?}");
        assert_eq!(last, (Some(QUERIES), 0), "emptied again: {depths:?}");
        let grown = depths[..all - 1].windows(2).all(|two| two[0].1 < two[1].1);
        assert!(grown, "each finds more: {depths:?}");
        // An skb with its data takes more memory than the message has octets.
        assert!(depths[1].1 > 256, "{depths:?}");
        let of_clients = |attempt: &&kerno::attempt::Attempt| attempt.role == Role::Client;
        let mut clients = listening.attempts.iter().filter(of_clients);
        assert!(clients.all(|attempt| attempt.queued_bytes == 0));
    }
}

fn drain(server: &UdpSocket, queries: u16) {
    server.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    for _ in 0..queries {
        server.recv(&mut [0; 512]).expect("a query");
    }
}

fn await_readable(socket: &impl AsFd) {
    let mut sockets = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    let patience = PollTimeout::try_from(PATIENCE).expect("a timeout");
    assert_eq!(poll(&mut sockets, patience), Ok(1), "an answer");
}
