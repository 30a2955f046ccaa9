//! Awareness of one room: who is there, with clocks that the room owns.
//!
//! Clients judge an entry by its clock alone, so whoever sets the clocks decides what is seen. Here each entry has an
//! owner, one connection, and its outgoing clock only grows: a peer that returns is seen at once, one that was killed is
//! gone at once, and what other connections say about it is dropped before its JSON is even read.
//!
//! A client never forgets a clock that it heard, not even when it drops everybody's state because its connection ended.
//! Whoever comes back is therefore told higher ones than they can know, and a room begins with higher ones than the room
//! before it ended with.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{BufMut, Bytes, BytesMut};

use crate::{
    access::Principal,
    guard::{AwarenessEntry, Malformed, scan_awareness},
    id::{ClientId, Epoch, PeerId, UserId},
    json,
    lib0::{put_var_str, put_var_uint},
    limits::WireLimits,
};

/// How long the clock of a removed entry is remembered, in milliseconds: longer than most who come back were away.
const TOMBSTONE_MS: u64 = 600_000;

/// How far the clocks of an epoch lie above those of the one before, and how much a room adds in one epoch to those of ids that
/// it does not know.
const EPOCH_CLOCKS: u32 = 1 << 14;

#[derive(Debug)]
struct Entry {
    owner: Option<(PeerId, UserId)>,
    /// The owner's clock, as last heard.
    clock_in: u32,
    /// The clock that peers were told.
    clock_out: u32,
    /// How many had left when `clock_out` became what it is: of them, nobody knows it.
    departures: u64,
    /// JSON; `None` once removed.
    state: Option<Bytes>,
    /// When it was last renewed or, removed, when that was.
    touched_ms: u64,
}

/// A connection as awareness sees it.
#[derive(Debug)]
struct Member {
    user: UserId,
    joined_ms: u64,
    owns: Option<ClientId>,
    /// Whether it was told anything yet. Before that, what it announces cannot be an echo.
    told: bool,
}

/// The awareness of one room. Format of messages: y-protocols 1.0, `awareness.js`.
#[derive(Debug, Default)]
pub struct Awareness {
    entries: BTreeMap<ClientId, Entry>,
    members: BTreeMap<PeerId, Member>,
    /// Entries that changed since the last flush.
    dirty: BTreeSet<ClientId>,
    /// How many connections ended or were replaced: each may be that of a client that comes back.
    departures: u64,
    /// What is added to the clock of an id that is new here: others may know it from before, at a higher one than its own.
    ahead: u32,
    /// At most that. Who announces wild clocks must not use up those of everybody.
    ahead_max: u32,
}

/// What the room tells its peers: one message, and for owners of entries in it the same without their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flush {
    /// The body of an awareness message for peers that own no entry in it.
    pub message: Bytes,
    /// The bodies for owners, ascending; `None` where nothing is left to tell.
    pub owners: Vec<(PeerId, Option<Bytes>)>,
}

impl Awareness {
    /// Awareness of a room that begins now, and whose peers may have been in one of an earlier epoch. The first is 1.
    pub fn after(epoch: Epoch) -> Self {
        let before = epoch.0.saturating_sub(1).saturating_mul(u64::from(EPOCH_CLOCKS));
        let ahead = u32::try_from(before).unwrap_or(u32::MAX).min(u32::MAX / 2);
        Self { ahead, ahead_max: ahead + EPOCH_CLOCKS, ..Self::default() }
    }

    /// A connection joins. It owns no entry until it announces one.
    pub fn join(&mut self, now_ms: u64, peer: PeerId, principal: &Principal) {
        self.members.insert(peer, Member { user: principal.user, joined_ms: now_ms, owns: None, told: false });
    }

    /// A connection is gone, and its entry with it.
    pub fn leave(&mut self, now_ms: u64, peer: PeerId) {
        let Some(member) = self.members.remove(&peer) else { return };
        self.departures += 1;
        if let Some(client) = member.owns {
            self.remove(now_ms, client);
        }
    }

    /// Takes in the body of an awareness message from `peer`.
    ///
    /// # Errors
    /// The message is malformed, or its own entry's state is not JSON. Entries of others are not read that far.
    pub fn receive(&mut self, now_ms: u64, peer: PeerId, body: &Bytes, limits: &WireLimits) -> Result<(), Malformed> {
        let mut outcome = Ok(());
        scan_awareness(body, limits, |entry| {
            if outcome.is_ok() {
                outcome = self.entry(now_ms, peer, body, &entry);
            }
        })?;
        outcome
    }

    fn entry(&mut self, now_ms: u64, peer: PeerId, body: &Bytes, heard: &AwarenessEntry<'_>) -> Result<(), Malformed> {
        let Some(member) = self.members.get(&peer) else { return Ok(()) };
        let claims = match member.owns {
            Some(client) if client == heard.client => false,
            Some(_) => return Ok(()),
            None if heard.state != "null" && self.may_claim(member, heard.client) => true,
            None => return Ok(()),
        };
        let known = self.entries.get(&heard.client);
        let removal = heard.state == "null";
        let fresh = known.is_none_or(|known| {
            heard.clock > known.clock_in || (heard.clock == known.clock_in && removal && known.state.is_some())
        });
        if !claims && !fresh {
            return Ok(());
        }
        json::validate(heard.state)?;
        if claims {
            self.claim(peer, heard.client);
        }
        if removal {
            self.set_clock_in(heard.client, heard.clock);
            self.remove(now_ms, heard.client);
            return Ok(());
        }
        let owner = self.members.get(&peer).map(|member| (peer, member.user));
        let clock_out = match self.entries.get(&heard.client) {
            Some(known) => heard.clock.max(known.clock_out.saturating_add(1)),
            // Stock clients overlook an id that is new to them at clock 0, which is where they start themselves.
            None if heard.clock == 0 => 1,
            None => heard.clock.saturating_add(self.ahead),
        };
        // A copy: the message it came in may be large, and would live as long as this entry.
        let state = Some(Bytes::copy_from_slice(&body.slice_ref(heard.state.as_bytes())));
        let departures = self.departures;
        let entry = Entry { owner, clock_in: heard.clock, clock_out, departures, state, touched_ms: now_ms };
        self.entries.insert(heard.client, entry);
        self.dirty.insert(heard.client);
        Ok(())
    }

    /// A connection may claim an id that nobody has; one that a dead connection had, unless it could be repeating what
    /// it heard then; and, before it was told anything, one of its own user's older connections.
    fn may_claim(&self, member: &Member, client: ClientId) -> bool {
        match self.entries.get(&client) {
            None => true,
            Some(Entry { owner: None, touched_ms, .. }) => !member.told || *touched_ms <= member.joined_ms,
            Some(Entry { owner: Some((_, user)), .. }) => !member.told && *user == member.user,
        }
    }

    fn claim(&mut self, peer: PeerId, client: ClientId) {
        if let Some(Entry { owner: Some((former, _)), .. }) = self.entries.get(&client)
            && let Some(former) = self.members.get_mut(former)
        {
            former.owns = None;
            self.departures += 1;
        }
        if let Some(member) = self.members.get_mut(&peer) {
            member.owns = Some(client);
        }
    }

    fn set_clock_in(&mut self, client: ClientId, clock: u32) {
        if let Some(entry) = self.entries.get_mut(&client) {
            entry.clock_in = clock;
        }
    }

    /// Removes an entry's state. Its owner, if it still lives, may set it again.
    fn remove(&mut self, now_ms: u64, client: ClientId) {
        let Some(entry) = self.entries.get_mut(&client) else { return };
        if entry.owner.is_some_and(|(peer, _)| !self.members.contains_key(&peer)) {
            entry.owner = None;
        }
        if entry.state.take().is_some() {
            // The same clock with a null state is taken as a removal, and leaves the next clock to a return.
            entry.touched_ms = now_ms;
            self.dirty.insert(client);
        }
    }

    /// Removes what was not renewed for `timeout_ms` and forgets what was removed long ago.
    pub fn expire(&mut self, now_ms: u64, timeout_ms: u64) {
        let silent = |entry: &Entry| entry.state.is_some() && now_ms.saturating_sub(entry.touched_ms) >= timeout_ms;
        let expired: Vec<ClientId> =
            self.entries.iter().filter(|(_, entry)| silent(entry)).map(|(&client, _)| client).collect();
        for client in expired {
            self.remove(now_ms, client);
        }
        let (dirty, ahead, ahead_max) = (&self.dirty, &mut self.ahead, self.ahead_max);
        self.entries.retain(|client, entry| {
            let buried = entry.state.is_none() && entry.owner.is_none() && !dirty.contains(client);
            let forgotten = buried && now_ms.saturating_sub(entry.touched_ms) >= TOMBSTONE_MS;
            if forgotten {
                // Should it come back, others still know what was added to its clock.
                let added = entry.clock_out.saturating_sub(entry.clock_in);
                *ahead = added.saturating_add(1).min(ahead_max).max(*ahead);
            }
            !forgotten
        });
    }

    /// Whether there is anything to tell.
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Whether `peer` was told who is here. Until then it is left alone, so that its first announcement is its own.
    pub fn is_told(&self, peer: PeerId) -> bool {
        self.members.get(&peer).is_none_or(|member| member.told)
    }

    /// Whether `peer` has announced an entry of its own.
    pub fn has_announced(&self, peer: PeerId) -> bool {
        self.members.get(&peer).is_some_and(|member| member.owns.is_some())
    }

    /// Number of entries with a state.
    pub fn len(&self) -> usize {
        self.entries.values().filter(|entry| entry.state.is_some()).count()
    }

    /// Whether nobody is here.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All entries but `peer`'s own, as the body of a message; `None` if there are none.
    pub fn snapshot(&mut self, peer: PeerId) -> Option<Bytes> {
        self.entries_for(peer, false)
    }

    /// Like [`Awareness::snapshot`], and who is gone: for a peer that may have missed it.
    pub fn snapshot_with_removals(&mut self, peer: PeerId) -> Option<Bytes> {
        self.entries_for(peer, true)
    }

    fn entries_for(&mut self, peer: PeerId, removals: bool) -> Option<Bytes> {
        let owns = self.tell(peer);
        let wanted = |entry: &Entry| removals || entry.state.is_some();
        let clients: Vec<ClientId> = self
            .entries
            .iter()
            .filter(|(client, entry)| wanted(entry) && Some(**client) != owns)
            .map(|(&client, _)| client)
            .collect();
        self.message(&clients)
    }

    /// `peer` is being told who is here; returns the id that it owns. The first time it may know everybody from a connection
    /// before, at clocks at which it would overlook them.
    fn tell(&mut self, peer: PeerId) -> Option<ClientId> {
        let member = self.members.get_mut(&peer)?;
        if !std::mem::replace(&mut member.told, true) {
            let departures = self.departures;
            let known = |entry: &&mut Entry| entry.state.is_some() && entry.departures < departures;
            for entry in self.entries.values_mut().filter(known) {
                entry.departures = departures;
                entry.clock_out = entry.clock_out.saturating_add(1);
            }
        }
        member.owns
    }

    /// What changed since the last flush, the last state of each id once; `None` if nothing did.
    pub fn flush(&mut self) -> Option<Flush> {
        let clients: Vec<ClientId> = std::mem::take(&mut self.dirty).into_iter().collect();
        if clients.is_empty() {
            return None;
        }
        let mut body = BytesMut::with_capacity(clients.len() * 128);
        let mut owned = Vec::new();
        for client in &clients {
            let start = body.len();
            self.put_entry(&mut body, *client);
            if let Some((peer, _)) = self.entries.get(client).and_then(|entry| entry.owner) {
                owned.push((peer, start..body.len()));
            }
        }
        owned.sort_unstable_by_key(|&(peer, _)| peer);
        let owners = owned
            .into_iter()
            .map(|(peer, own)| {
                let others = clients.len() - 1;
                (peer, (others > 0).then(|| counted(others, &[&body[..own.start], &body[own.end..]])))
            })
            .collect();
        Some(Flush { message: counted(clients.len(), &[&body]), owners })
    }

    fn message(&self, clients: &[ClientId]) -> Option<Bytes> {
        let mut body = BytesMut::with_capacity(clients.len() * 128);
        for &client in clients {
            self.put_entry(&mut body, client);
        }
        (!clients.is_empty()).then(|| counted(clients.len(), &[&body]))
    }

    fn put_entry(&self, out: &mut BytesMut, client: ClientId) {
        let entry = self.entries.get(&client);
        put_var_uint(out, client.get());
        put_var_uint(out, u64::from(entry.map_or(0, |entry| entry.clock_out)));
        match entry.and_then(|entry| entry.state.as_ref()) {
            Some(state) => {
                put_var_uint(out, state.len() as u64);
                out.put_slice(state);
            }
            None => put_var_str(out, "null"),
        }
    }
}

/// The body of an awareness message of `count` entries.
fn counted(count: usize, entries: &[&[u8]]) -> Bytes {
    let mut out = BytesMut::with_capacity(4 + entries.iter().map(|part| part.len()).sum::<usize>());
    put_var_uint(&mut out, count as u64);
    for part in entries {
        out.put_slice(part);
    }
    out.freeze()
}
