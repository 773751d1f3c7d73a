//! Whose a figure is, as labels have it: never a query name, a pid or a client's address.

use std::net::SocketAddr;

use super::bounded::Coarse;
use crate::attempt::identity::Pod;
use crate::attempt::identity::WorkloadId;
use crate::doctor::Rule;

/// Names and values.
pub(super) type Labels = Vec<(&'static str, String)>;

/// Stands for all that there was no room for.
pub(super) const OTHER: &str = "other";
/// Characters of what somebody chose freely.
const TEXT_MAX: usize = 64;
/// … of a name that Kubernetes knows: a DNS subdomain (RFC 1123).
const KUBERNETES_MAX: usize = 253;

/// A server that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Server {
    At(SocketAddr),
    Other,
}

impl Server {
    pub(super) fn label(&self) -> (&'static str, String) {
        let value = match self {
            Self::At(address) => address.to_string(),
            Self::Other => OTHER.to_owned(),
        };
        ("server", value)
    }
}

impl Coarse for Server {
    fn coarser(&self) -> Option<Self> {
        match self {
            Self::At(_) => Some(Self::Other),
            Self::Other => None,
        }
    }
}

/// A workload, by what its series are told apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Whom {
    Pod {
        namespace: String,
        pod: String,
    },
    Container(String),
    Unit {
        unit: String,
        user: Option<u32>,
    },
    Comm(String),
    /// Of whom nothing is kept.
    Other,
}

impl Whom {
    pub(super) fn of(workload: &WorkloadId) -> Self {
        match workload {
            WorkloadId::Pod(Pod {
                namespace: Some(namespace),
                name: Some(name),
                ..
            }) => Self::Pod {
                namespace: cut(namespace, KUBERNETES_MAX),
                pod: cut(name, KUBERNETES_MAX),
            },
            // Nobody has named it: its UID stands for it.
            WorkloadId::Pod(pod) => Self::Pod {
                namespace: String::new(),
                pod: cut(pod.uid.as_deref().unwrap_or("unknown"), KUBERNETES_MAX),
            },
            WorkloadId::Container(_) => Self::Container(cut(&workload.name(), TEXT_MAX)),
            WorkloadId::Unit(unit, user) => Self::Unit {
                unit: cut(unit, TEXT_MAX),
                user: *user,
            },
            WorkloadId::Process(_, comm) => {
                match comm.to_string().as_str() {
                    "" => Self::Comm("unknown".to_owned()),
                    // It has the label that others have together, and cannot be told from them.
                    OTHER => Self::Other,
                    comm => Self::Comm(cut(comm, TEXT_MAX)),
                }
            }
        }
    }

    pub(super) fn labels(&self) -> Labels {
        match self {
            Self::Pod { namespace, pod } => {
                vec![("namespace", namespace.clone()), ("pod", pod.clone())]
            }
            Self::Container(name) => vec![("container", name.clone())],
            Self::Unit { unit, user } => {
                let mut labels = vec![("unit", unit.clone())];
                labels.extend(user.map(|user| ("user", user.to_string())));
                labels
            }
            Self::Comm(comm) => vec![("comm", comm.clone())],
            Self::Other => vec![("comm", OTHER.to_owned())],
        }
    }
}

impl Coarse for Whom {
    /// Only what there are too many of is left out.
    fn coarser(&self) -> Option<Self> {
        let other = OTHER.to_owned();
        let coarser = match self {
            Self::Pod { namespace, .. } => Self::Pod {
                namespace: namespace.clone(),
                pod: other,
            },
            Self::Container(_) => Self::Container(other),
            Self::Unit { .. } => Self::Unit {
                unit: other,
                user: None,
            },
            Self::Comm(_) => Self::Other,
            Self::Other => return None,
        };
        Some(match coarser == *self {
            true => Self::Other,
            false => coarser,
        })
    }
}

/// Whose failures have which cause.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Blame {
    pub(super) whom: Whom,
    pub(super) cause: Rule,
}

impl Blame {
    pub(super) fn labels(&self) -> Labels {
        let mut labels = self.whom.labels();
        labels.push(("cause", self.cause.name().to_owned()));
        labels
    }
}

impl Coarse for Blame {
    fn coarser(&self) -> Option<Self> {
        Some(Self {
            whom: self.whom.coarser()?,
            cause: self.cause,
        })
    }
}

/// At most so many characters. It is printable: what strangers chose was escaped where it
/// came in.
fn cut(text: &str, max: usize) -> String {
    text.chars().take(max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::Comm;
    use crate::attempt::identity::Container;

    fn pod(namespace: &str, name: &str) -> WorkloadId {
        WorkloadId::Pod(Pod {
            namespace: Some(namespace.to_owned()),
            name: Some(name.to_owned()),
            ..Pod::default()
        })
    }

    #[test]
    fn labels_are_bounded_and_name_no_process() {
        let long = "x".repeat(500);
        let process = |pid| WorkloadId::Process(Some(pid), Comm::new(b"curl"));
        assert_eq!(Whom::of(&process(1)), Whom::of(&process(2)));
        assert_eq!(
            Whom::of(&process(1)).labels(),
            [("comm", "curl".to_owned())]
        );
        let unknown = WorkloadId::Process(None, Comm::default());
        assert_eq!(
            Whom::of(&unknown).labels(),
            [("comm", "unknown".to_owned())]
        );
        let container = WorkloadId::Container(Container {
            id: long.clone(),
            name: Some(long.clone()),
            runtime: None,
        });
        for (workload, max) in [
            (pod(&long, &long), KUBERNETES_MAX),
            (WorkloadId::Unit(long.clone(), None), TEXT_MAX),
            (container, TEXT_MAX),
        ] {
            for (_, value) in Whom::of(&workload).labels() {
                assert_eq!(value.len(), max, "{workload}");
            }
        }
    }

    #[test]
    fn what_is_left_out_is_the_name_only() {
        let whom = Whom::of(&pod("shop", "web-1"));
        let others = std::iter::successors(Some(whom), Coarse::coarser);
        let labels: Vec<_> = others.map(|it| it.labels()).collect();
        let told = |all: &[(&'static str, &str)]| -> Labels {
            all.iter().map(|(k, v)| (*k, (*v).to_owned())).collect()
        };
        assert_eq!(
            labels,
            [
                told(&[("namespace", "shop"), ("pod", "web-1")]),
                told(&[("namespace", "shop"), ("pod", "other")]),
                told(&[("comm", "other")]),
            ]
        );
        // A workload that calls itself so ends there too.
        for workload in [
            pod("shop", OTHER),
            WorkloadId::Unit(OTHER.to_owned(), Some(1000)),
            WorkloadId::Process(None, Comm::new(OTHER.as_bytes())),
        ] {
            let steps = std::iter::successors(Some(Whom::of(&workload)), Coarse::coarser);
            assert!(steps.take(9).count() <= 3, "{workload}");
        }
    }

    #[test]
    fn of_two_users_units_of_one_name_are_two() {
        let of = |user| Whom::of(&WorkloadId::Unit("app.service".to_owned(), user));
        assert_ne!(of(Some(1000)), of(Some(1001)));
        assert_eq!(of(Some(1000)).labels()[1], ("user", "1000".to_owned()));
    }
}
