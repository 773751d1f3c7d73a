//! TCP over several segments of one connection.

use super::message::Dns;
use super::packet::Path;
use super::packet::Segment;
use super::programs::Hook;
use super::programs::Programs;
use super::socket::Socket;
use super::socket::entries;
use crate::attempt::Outcome;
use crate::attempt::Reason;
use crate::attempt::Role;
use crate::event::Event;
use crate::event::NoticeKind;

use Hook::Egress;
use Hook::Ingress;

const FIN_ACK: u8 = 0x11;
const SYN: u8 = 0x02;
const SYN_ACK: u8 = 0x12;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// A connection as the client's or the server's socket sees it.
struct Connection<'a> {
    programs: &'a Programs,
    socket: Socket<'a>,
    /// The way of what the socket sends.
    out: Path,
    /// Sequence number of the next octet in each direction.
    sent: u32,
    received: u32,
}

impl<'a> Connection<'a> {
    fn of_client(programs: &'a Programs) -> Self {
        programs.clear();
        Self {
            programs,
            socket: Socket::new(programs),
            out: Path::v4(),
            // Both wrap around soon.
            sent: u32::MAX - 20,
            received: u32::MAX - 3,
        }
    }

    fn of_server(programs: &'a Programs) -> Self {
        Self {
            out: Path::v4().back(),
            ..Self::of_client(programs)
        }
    }

    /// Client's side: SYN, SYN-ACK, ACK.
    fn connect(&mut self) {
        assert_eq!(self.control(Egress, SYN), []);
        assert_eq!(self.control(Ingress, SYN_ACK), []);
        assert_eq!(self.control(Egress, ACK), []);
    }

    /// A segment without payload. A SYN takes the place of an octet.
    fn control(&mut self, hook: Hook, flags: u8) -> Vec<Event> {
        let (seq, ack) = match hook {
            Egress => (&mut self.sent, self.received),
            Ingress => (&mut self.received, self.sent),
        };
        let at = *seq;
        *seq = seq.wrapping_add(u32::from(flags & SYN != 0));
        self.control_at(hook, flags, at, ack)
    }

    /// The same at a place of the stream.
    fn control_at(&mut self, hook: Hook, flags: u8, seq: u32, ack: u32) -> Vec<Event> {
        let path = match hook {
            Egress => self.out,
            Ingress => self.out.back(),
        };
        let segment = Segment {
            seq,
            ack,
            flags,
            ..Segment::default()
        };
        self.socket.run(hook, &path.tcp(&segment))
    }

    /// The next octets of the stream.
    fn data(&mut self, hook: Hook, payload: &[u8]) -> Vec<Event> {
        let seq = match hook {
            Egress => &mut self.sent,
            Ingress => &mut self.received,
        };
        let at = *seq;
        *seq = seq.wrapping_add(payload.len() as u32);
        self.data_at(hook, at, payload)
    }

    /// Octets at a place of the stream.
    fn data_at(&mut self, hook: Hook, seq: u32, payload: &[u8]) -> Vec<Event> {
        let path = match hook {
            Egress => self.out,
            Ingress => self.out.back(),
        };
        let segment = Segment {
            seq,
            flags: ACK,
            payload,
            ..Segment::default()
        };
        self.socket.run(hook, &path.tcp(&segment))
    }

    fn ids(&self) -> Vec<u16> {
        let in_flight = self.programs.in_flight();
        let mut ids: Vec<u16> = in_flight.iter().map(|query| query.key.id).collect();
        ids.sort_unstable();
        ids
    }

    fn is_known(&self) -> bool {
        !entries(&self.programs.maps().dns_connections).is_empty()
    }
}

#[test]
fn root_the_prefix_may_come_alone_or_octet_by_octet() {
    let programs = Programs::load();
    let query = Dns::query(7, "prefix.example");
    let answer = query.answer(3);
    for cuts in [&[2][..], &[1], &[1, 2]] {
        let mut connection = Connection::of_client(&programs);
        connection.connect();
        let mut events = Vec::new();
        for (hook, message) in [(Egress, query.prefixed()), (Ingress, answer.prefixed())] {
            let mut from = 0;
            for to in cuts.iter().copied().chain([message.len()]) {
                assert_eq!(events, []);
                events = connection.data(hook, &message[from..to]);
                from = to;
            }
        }
        let [Event::Ended(attempt)] = &events[..] else {
            panic!("{cuts:?}: {events:?}");
        };
        assert_eq!(attempt.outcome, Outcome::Answered);
        assert_eq!(attempt.role, Role::Client);
        assert_eq!(attempt.question.as_bytes(), query.body);
        assert_eq!(attempt.owner.pid, Some(std::process::id()));
        assert_eq!(programs.counters().queries, 1);
    }
}

#[test]
fn root_a_server_answers_on_the_connection_that_asked() {
    let programs = Programs::load();
    let mut connection = Connection::of_server(&programs);
    let query = Dns::query(7, "server.example");
    assert_eq!(connection.data(Ingress, &query.prefixed()), []);
    assert_eq!(programs.the_query().view().role, Role::Server);
    let events = connection.data(Egress, &query.answer(0).prefixed());
    let [Event::Ended(attempt)] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(attempt.outcome, Outcome::Answered);
    assert_eq!(attempt.owner.pid, Some(std::process::id()));
    assert_eq!(attempt.client(), Path::v4().from);
}

#[test]
fn root_a_long_message_is_passed_over_to_the_next() {
    let programs = Programs::load();
    let mut connection = Connection::of_client(&programs);
    connection.connect();
    let mut long = Dns::query(1, "long.example");
    long.body.resize(3000, 0);
    let octets = [long.prefixed(), Dns::query(2, "next.example").prefixed()].concat();
    for piece in octets.chunks(1000) {
        assert_eq!(connection.data(Egress, piece), []);
    }
    assert_eq!(connection.ids(), [1, 2]);
}

#[test]
fn root_a_retransmission_is_no_resend() {
    let programs = Programs::load();
    let mut connection = Connection::of_client(&programs);
    connection.connect();
    let first = Dns::query(1, "first.example").prefixed();
    let second = Dns::query(2, "second.example").prefixed();
    let start = connection.sent;
    assert_eq!(connection.data(Egress, &first), []);
    for len in [first.len(), 1, 2, 20] {
        assert_eq!(connection.data_at(Egress, start, &first[..len]), []);
    }
    assert_eq!(programs.counters().queries, 1);
    // Coalesced with what is new.
    assert_eq!(
        connection.data_at(Egress, start, &[first, second].concat()),
        []
    );
    assert_eq!(connection.ids(), [1, 2]);
    assert_eq!(programs.counters().queries, 2);
}

#[test]
fn root_a_hole_in_a_message_is_bridged_and_one_between_them_is_counted() {
    let programs = Programs::load();
    let mut connection = Connection::of_client(&programs);
    connection.connect();
    let mut long = Dns::query(1, "hole.example");
    long.body.resize(3000, 0);
    let long = long.prefixed();
    let next = |id| Dns::query(id, "behind.example").prefixed();
    connection.data(Egress, &long[..1000]);
    connection.sent = connection.sent.wrapping_add(500);
    connection.data(Egress, &[&long[1500..], &next(2)].concat());
    assert_eq!(connection.ids(), [1, 2]);
    assert_eq!(programs.counters().tcp_gap, 0);
    connection.sent = connection.sent.wrapping_add(123);
    connection.data(Egress, &next(3));
    assert_eq!(connection.ids(), [1, 2, 3]);
    assert_eq!(programs.counters().tcp_gap, 1);
}

#[test]
fn root_a_stream_that_is_not_dns_is_left_alone() {
    let programs = Programs::load();
    let mut connection = Connection::of_client(&programs);
    connection.connect();
    connection.data(Egress, b"\0\x05hello");
    connection.data(Egress, &Dns::query(1, "late.example").prefixed());
    assert!(connection.ids().is_empty());
    assert_eq!(programs.counters().unparsed, 1);
}

#[test]
fn root_a_refused_connection_is_an_attempt_of_its_own() {
    let programs = Programs::load();
    let mut connection = Connection::of_client(&programs);
    assert_eq!(connection.control(Egress, SYN), []);
    let events = connection.control(Ingress, RST | ACK);
    let [Event::Ended(attempt)] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(attempt.outcome, Outcome::Refused);
    assert_eq!(attempt.reason, Some(Reason::Errno(libc::ECONNREFUSED)));
    assert_eq!(attempt.id, None);
    assert_eq!(
        (attempt.local, attempt.peer),
        (Path::v4().from, Path::v4().to)
    );
    assert_eq!(attempt.owner.pid, Some(std::process::id()));
    assert!(attempt.sent_ns <= attempt.end_ns);
    assert_eq!(programs.counters().queries, 1);
    assert!(!connection.is_known());
}

#[test]
fn root_a_reset_connection_tells_of_its_queries() {
    let programs = Programs::load();
    let mut connection = Connection::of_client(&programs);
    connection.connect();
    connection.data(Egress, &Dns::query(7, "reset.example").prefixed());
    let cookie = |programs: &Programs| programs.the_query().key.cookie;
    let events = connection.control(Ingress, RST);
    let [Event::Notice(notice)] = &events[..] else {
        panic!("{events:?}");
    };
    let cookie = cookie(&programs);
    let NoticeKind::SocketError {
        cookie: of, error, ..
    } = notice.kind
    else {
        panic!("{notice:?}")
    };
    assert_eq!((of, error), (cookie, libc::ECONNRESET));
    assert_eq!(programs.counters().queries, 1);
    assert!(!connection.is_known());
}

/// Anybody can send a reset; who does not see the connection does not know its
/// numbers.
#[test]
fn root_a_reset_that_the_kernel_does_not_take_ends_nothing() {
    let programs = Programs::load();
    let mut connection = Connection::of_client(&programs);
    assert_eq!(connection.control(Egress, SYN), []);
    let (sent, received) = (connection.sent, connection.received);
    for ack in [0, sent.wrapping_sub(1), sent.wrapping_add(1)] {
        assert_eq!(connection.control_at(Ingress, RST | ACK, 0, ack), []);
        assert_eq!(connection.control_at(Ingress, SYN_ACK, received, ack), []);
    }
    assert_eq!(connection.control_at(Ingress, RST, received, sent), []);
    assert_eq!(connection.control(Ingress, SYN_ACK), []);
    let query = Dns::query(7, "reset.example");
    connection.data(Egress, &query.prefixed());
    let (sent, received) = (connection.sent, connection.received);
    for seq in [0, received.wrapping_sub(1), received.wrapping_add(1)] {
        assert_eq!(connection.control_at(Ingress, RST, seq, sent), []);
    }
    assert!(connection.is_known());
    let events = connection.data(Ingress, &query.answer(0).prefixed());
    assert!(matches!(&events[..], [Event::Ended(_)]), "{events:?}");
}

#[test]
fn root_a_connection_is_forgotten_when_both_ends_have_closed_it() {
    let programs = Programs::load();
    for hooks in [[Egress, Ingress], [Ingress, Egress]] {
        let mut connection = Connection::of_client(&programs);
        connection.connect();
        assert!(connection.is_known());
        assert_eq!(connection.control(hooks[0], FIN_ACK), []);
        assert_eq!(connection.control(hooks[0], FIN_ACK), []);
        assert!(connection.is_known());
        assert_eq!(connection.control(hooks[1], FIN_ACK), []);
        assert!(!connection.is_known());
    }
    // A reset of our own needs no answer.
    let mut connection = Connection::of_client(&programs);
    connection.connect();
    assert_eq!(connection.control(Egress, RST), []);
    assert!(!connection.is_known());
}
