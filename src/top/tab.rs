//! Which tables there are.

/// The tables, in the order of their keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tab {
    Findings,
    /// Who is hurt; the worst findings stand above all tables.
    #[default]
    Workloads,
    Servers,
    Processes,
    Names,
    Causes,
    Failures,
}

impl Tab {
    pub(super) const ALL: [Self; 7] = [
        Self::Findings,
        Self::Workloads,
        Self::Servers,
        Self::Processes,
        Self::Names,
        Self::Causes,
        Self::Failures,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Findings => "findings",
            Self::Workloads => "workloads",
            Self::Servers => "servers",
            Self::Processes => "processes",
            Self::Names => "names",
            Self::Causes => "causes",
            Self::Failures => "failures",
        }
    }

    /// So many steps further, round and round.
    pub(super) fn step(self, by: usize) -> Self {
        let at = Self::ALL.iter().position(|tab| *tab == self).unwrap_or(0);
        Self::ALL[(at + by) % Self::ALL.len()]
    }
}
