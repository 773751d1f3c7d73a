//! What is promised: the one table of kernels, and what each of them lacks.

use crate::reported::Signal;

/// A kernel that must work, with everything but what it lacks.
#[derive(Debug)]
pub(crate) struct Promise {
    /// How the version begins, or `newest`; what `fetch-kernels` takes.
    pub(crate) series: &'static str,
    /// Signals that this kernel does not give. Every other one must be there.
    pub(crate) lacks: &'static [&'static str],
    /// Programs of `kerno counters` that have no hook there, and no other that gives the
    /// same.
    pub(crate) lacks_counters: &'static [&'static str],
}

/// Debian's long-term kernels since 5.10, the first that kerno works on, and
/// the newest there is.
pub(crate) const PROMISED: &[Promise] = &[
    Promise {
        series: "5.10",
        lacks: &[
            "inet_sk_error_report", // 5.14
            "skb_drop_reason",      // 5.17
            "cgroup_sock_addr",     // 6.0, with the verdict of others
            "sock_send_length",     // 6.3
            "sock_recv_length",     // 6.3
        ],
        lacks_counters: &[
            "net/on_kfree_skb", // 5.17, with the reason
        ],
    },
    Promise {
        series: "6.1",
        lacks: &["sock_send_length", "sock_recv_length"],
        lacks_counters: &[],
    },
    Promise {
        series: "6.12",
        lacks: &[],
        lacks_counters: &[],
    },
    Promise {
        series: "newest",
        lacks: &[],
        lacks_counters: &[],
    },
];

/// Which of the signals there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    /// A connected socket's error is seen: `inet_sk_error_report`.
    pub(crate) socket_errors: bool,
    /// A query that arrives where nobody listens is known: `skb_drop_reason`.
    pub(crate) no_socket: bool,
}

impl Given {
    /// By the promise, or for a kernel without one by what it says of itself.
    pub(crate) fn on(promise: Option<&Promise>, signals: &[Signal]) -> Self {
        let has = |name: &str| match promise {
            Some(promise) => !promise.lacks.contains(&name),
            None => signals.iter().any(|s| s.name == name && s.available),
        };
        Self {
            socket_errors: has("inet_sk_error_report"),
            no_socket: has("skb_drop_reason"),
        }
    }
}
