//! The exchanges of this host's servers, bounded: while a window is open all of the latest,
//! then those alone that something depends on.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::net::SocketAddr;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use super::incident::Incident;
use super::needed;
use super::server_view::ServerView;
use crate::attempt::Plain;
use crate::attempt::identity::IdentityTable;

/// The latest, about 200 bytes each: 3.3 MB, of the open window alone.
const LATEST_MAX: usize = 16_384;
/// Those of one window that something depends on. On a host that is well there are a few
/// for each server.
const KEPT_MAX: usize = 16_384;

/// The latest exchanges, and those that are kept.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default)]
pub(super) struct ServerViews {
    /// Of this window and those before, while it is open: a client may wait for an answer that
    /// its server has sent long ago.
    #[borsh(skip)]
    latest: VecDeque<ServerView>,
    /// So many of them, the eldest, are of windows before.
    #[borsh(skip)]
    of_before: usize,
    kept: VecDeque<ServerView>,
    /// So many of them, the first ones, are of windows before, which have them too.
    carried: usize,
    forgotten: u64,
}

impl ServerViews {
    /// Gives back the room that is not used.
    pub(super) fn shrink(&mut self) {
        self.kept.shrink_to_fit();
    }

    /// What it takes, in octets.
    pub(super) fn octets(&self) -> usize {
        (self.latest.capacity() + self.kept.capacity()) * size_of::<ServerView>()
    }

    /// As [`Self::add`] of each of them.
    pub(super) fn count(&mut self, plain: &Plain) {
        self.forgotten += plain.number() - plain.exchanges.len() as u64;
        for exchange in &plain.exchanges {
            self.add(ServerView::of_plain(exchange, plain));
        }
    }

    pub(super) fn add(&mut self, view: ServerView) {
        if self.latest.len() == LATEST_MAX
            && let Some(eldest) = self.latest.pop_front()
        {
            let is_own = self.of_before == 0;
            self.of_before = self.of_before.saturating_sub(1);
            match is_own && !eldest.is_fine() {
                true => self.keep(eldest),
                false => self.forgotten += u64::from(is_own),
            }
        }
        self.latest.push_back(view);
    }

    fn keep(&mut self, view: ServerView) {
        if self.kept.len() == KEPT_MAX {
            self.kept.pop_front();
            self.carried = self.carried.saturating_sub(1);
            self.forgotten += 1;
        }
        self.kept.push_back(view);
    }

    /// The window is over: keeps what these incidents or later windows depend on. The latest
    /// go on to the next.
    pub(super) fn settle(&mut self, incidents: &[Incident]) -> Self {
        let latest = std::mem::take(&mut self.latest);
        let of_before = std::mem::take(&mut self.of_before);
        let (before, own) = latest
            .iter()
            .enumerate()
            .partition::<Vec<_>, _>(|(place, _)| *place < of_before);
        let (before, own) = (before.into_iter(), own.into_iter());
        let kept = std::mem::take(&mut self.kept);
        let before: Vec<_> = before.map(|(_, view)| view).collect();
        let own: Vec<_> = kept.iter().chain(own.map(|(_, view)| view)).collect();
        let needed = needed::of(&before, &own, incidents);
        let carried = before.len();
        let all = before.into_iter().chain(own).zip(needed).enumerate();
        for (place, (view, _)) in all.filter(|(_, (_, is_needed))| *is_needed) {
            self.keep(view.clone());
            self.carried += usize::from(place < carried);
        }
        Self {
            of_before: latest.len(),
            latest,
            ..Self::default()
        }
    }

    /// Adds those of the window right after. Both are over.
    pub(super) fn follow(&mut self, next: &Self, incidents: &[Incident]) {
        self.forgotten += next.forgotten;
        let known: HashSet<_> = match next.carried {
            0 => HashSet::new(),
            _ => self.kept.iter().map(ServerView::order).collect(),
        };
        let carried = next.carried;
        for (place, view) in next.kept.iter().enumerate() {
            if place >= carried || !known.contains(&view.order()) {
                self.keep(view.clone());
            }
        }
        self.leave_out(incidents);
    }

    /// Of two windows that are one now, what lies between is not needed.
    fn leave_out(&mut self, incidents: &[Incident]) {
        let kept: Vec<_> = self.kept.drain(..).collect();
        let all: Vec<_> = kept.iter().collect();
        let (before, own) = all.split_at(self.carried.min(all.len()));
        let needed = needed::of(before, own, incidents);
        let mut carried = 0;
        for (place, (view, is_needed)) in kept.into_iter().zip(needed).enumerate() {
            if is_needed {
                carried += usize::from(place < self.carried);
                self.kept.push_back(view);
            }
        }
        self.carried = carried;
    }

    /// Takes over what is known of workloads in the end.
    pub(super) fn learn(&mut self, known: &IdentityTable) {
        for view in &mut self.kept {
            known.update(&mut view.workload);
        }
    }

    /// In the order in which they came. Those of a server that never answered get the owner of
    /// another exchange at the same socket, if one is known, or else of who listens there.
    pub(super) fn into_views(
        self,
        listeners: &BTreeMap<(u32, SocketAddr), u32>,
    ) -> (Vec<ServerView>, u64) {
        let mut views = Vec::from(self.kept);
        views.sort_by_key(ServerView::order);
        let known = views.iter().filter(|view| view.owner.pid.is_some());
        let owners: HashMap<_, _> = known.map(|view| (view.cookie, view.owner)).collect();
        for view in views.iter_mut().filter(|view| view.owner.pid.is_none()) {
            let listener = listeners.get(&(view.owner.netns, view.local));
            match owners.get(&view.cookie) {
                Some(owner) => view.owner = *owner,
                None => view.owner.pid = listener.copied(),
            }
        }
        (views, self.forgotten)
    }
}
