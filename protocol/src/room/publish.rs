//! What the gateway itself says to a room: the way of the `system` document, which no peer writes. It was decided and made
//! durable elsewhere, so that nothing of it is appended, confirmed or refused here.

use bytes::{Bytes, BytesMut};

use super::{Broadcast, Effect, Room, peer::Standing};
use crate::{document::Verdict, id::PeerId, wire};

impl Room {
    /// Applies updates in one transaction and shows them to everybody. A document that does not take them is not the one that
    /// they were made for: it is loaded again, with them in it.
    pub(super) fn publish(&mut self, now_ms: u64, updates: &[Bytes], effects: &mut Vec<Effect>) {
        if self.broken {
            return;
        }
        let mut frames = BytesMut::new();
        let mut failed = false;
        let mut writer = self.document.write(&self.config.wire);
        for update in updates {
            match writer.apply(update) {
                Verdict::Accepted => wire::put_update(&mut frames, update),
                Verdict::Trimmed(rest) => wire::put_update(&mut frames, &rest),
                Verdict::Nothing => continue,
                Verdict::Waits(_) | Verdict::TooDeep | Verdict::Poison(_) | Verdict::Broken(_) => {
                    failed = true;
                    break;
                }
            }
            self.counts.accepted += 1;
        }
        match writer.commit() {
            Ok(before) => self.before.extend(before),
            Err(_) => failed = true,
        }
        if failed {
            self.counts.poisoned += 1;
            self.broken = true;
            effects.push(Effect::Reload);
        }
        if !frames.is_empty() {
            self.show(now_ms, frames.freeze(), effects);
        }
    }

    fn show(&mut self, now_ms: u64, frames: Bytes, effects: &mut Vec<Effect>) {
        let mut except: Vec<PeerId> = Vec::new();
        for peer in self.peers.values_mut() {
            if peer.is_reachable() { peer.told_ms = now_ms } else { except.push(peer.id) }
        }
        if except.len() < self.peers.len() {
            effects.push(Effect::Broadcast(Broadcast { frames, parts: Vec::new(), except }));
        }
    }

    /// What is so now is worth nothing later: whoever does not read at once does not get it.
    pub(super) fn tell_extended(&mut self, json: &str, effects: &mut Vec<Effect>) {
        if self.extended == 0 {
            return;
        }
        let listens = |peer: &super::Peer| {
            peer.extended && peer.condemned.is_none() && matches!(peer.standing, Standing::Current)
        };
        let except: Vec<PeerId> = self.peers.values().filter(|peer| !listens(peer)).map(|peer| peer.id).collect();
        if except.len() < self.peers.len() {
            let mut frames = BytesMut::new();
            wire::put_ephemeral(&mut frames, json);
            effects.push(Effect::Broadcast(Broadcast { frames: frames.freeze(), parts: Vec::new(), except }));
        }
    }

    pub(super) fn tell_watched(&mut self, effects: &mut Vec<Effect>) {
        let watched = self.extended > 0;
        if std::mem::replace(&mut self.watched, watched) != watched {
            effects.push(Effect::Watched(watched));
        }
    }
}
