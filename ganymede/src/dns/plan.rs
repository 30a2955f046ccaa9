//! What has to change in the zone so that it has what is wanted. Pure.

use std::collections::BTreeSet;

use orrery_protocol::id::OrgId;

use super::zone::{RecordKey, RecordSet, Records, Zone};

/// One change of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Of which records.
    pub key: RecordKey,
    /// What they are afterwards; `None` if they are not there any more.
    pub becomes: Option<RecordSet>,
}

/// What has to change for each organization. Those that want nothing are not listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgChanges {
    /// Whose host names.
    pub org: OrgId,
    /// Whether nobody wants them any more.
    pub orphan: bool,
    /// Each a whole set of records, so that doing it twice does nothing more.
    pub changes: Vec<Change>,
}

/// What makes `actual` have the host names of `wanted`, and of no other organization. Records outside our own name pattern,
/// and kinds that we never write, are not looked at.
pub fn plan(zone: &Zone, wanted: &BTreeSet<OrgId>, actual: &Records) -> Vec<OrgChanges> {
    let mut plan = Vec::new();
    let mut owners: BTreeSet<OrgId> = actual.keys().filter_map(|key| zone.owner(key)).collect();
    owners.extend(wanted);
    let mut present = actual.keys().filter_map(|key| Some((zone.owner(key)?, key))).collect::<Vec<_>>();
    present.sort();
    for org in owners {
        let orphan = !wanted.contains(&org);
        let want = if orphan { Records::new() } else { zone.of_org(org) };
        let from = present.partition_point(|(owner, _)| *owner < org);
        let unwanted = present[from..].iter().take_while(|(owner, _)| *owner == org).map(|(_, key)| *key);
        let unwanted = unwanted.filter(|key| !want.contains_key(key)).cloned().collect::<Vec<_>>();
        let mut changes: Vec<Change> = unwanted.into_iter().map(|key| Change { key, becomes: None }).collect();
        changes.extend(missing(&want, actual));
        if !changes.is_empty() {
            plan.push(OrgChanges { org, orphan, changes });
        }
    }
    plan
}

/// What of `wanted` is not in `actual` as it should be.
pub(super) fn missing(wanted: &Records, actual: &Records) -> Vec<Change> {
    let differs = wanted.iter().filter(|(key, set)| actual.get(key) != Some(set));
    differs.map(|(key, set)| Change { key: key.clone(), becomes: Some(set.clone()) }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_set, prelude::*};
    use uuid::Uuid;

    use super::{super::zone::RecordKind, *};

    fn zone() -> Zone {
        zone_at("192.0.2.1", None)
    }

    fn zone_at(address: &str, v6: Option<&str>) -> Zone {
        let name = "example".parse().unwrap();
        let domain = "team.example".parse().unwrap();
        Zone::new(name, domain, address.parse().unwrap(), v6.map(|v6| v6.parse().unwrap()), 60).unwrap()
    }

    fn org(n: u128) -> OrgId {
        OrgId(Uuid::from_u128(n))
    }

    fn apply(mut actual: Records, plan: &[OrgChanges]) -> Records {
        for Change { key, becomes } in plan.iter().flat_map(|of_org| of_org.changes.clone()) {
            match becomes {
                Some(set) => actual.insert(key, set),
                None => actual.remove(&key),
            };
        }
        actual
    }

    /// What others have put into the zone, close to our pattern.
    fn foreign() -> Records {
        let own = format!("org-{}.team.example.", org(1));
        let names = [
            "team.example.".to_owned(),
            "*.team.example.".to_owned(),
            "www.team.example.".to_owned(),
            "org-1.team.example.".to_owned(),
            format!("x.{own}"),
            format!("_acme-challenge.{own}"),
            format!("*.*.{own}"),
            format!("x{own}"),
            format!("org-{}.example.", org(1)),
            format!("org-{}.other.example.", org(1)),
            format!("org-{}.team.example.", Uuid::from_u128(1).simple()),
        ];
        let set = RecordSet { ttl_s: 3600, contents: BTreeSet::from(["198.51.100.1".to_owned()]), disabled: false };
        names.map(|name| (RecordKey { name, kind: RecordKind::A }, set.clone())).into_iter().collect()
    }

    #[test]
    fn an_organization_gets_its_name_and_all_below() {
        let plan = plan(&zone(), &BTreeSet::from([org(1)]), &foreign());
        let names: Vec<_> = plan[0].changes.iter().map(|change| change.key.name.clone()).collect();
        let own = "org-00000000-0000-0000-0000-000000000001.team.example.";
        assert_eq!(names, [format!("*.{own}"), own.to_owned()]);
    }

    #[test]
    fn a_new_address_replaces_the_old_one_and_a_family_that_is_gone() {
        let wanted = BTreeSet::from([org(1)]);
        let old = apply(Records::new(), &plan(&zone_at("192.0.2.1", Some("2001:db8::1")), &wanted, &Records::new()));
        assert_eq!(old.len(), 4);
        let new = zone_at("192.0.2.2", None);
        let moved = apply(old.clone(), &plan(&new, &wanted, &old));
        assert_eq!(moved, new.of_org(org(1)));
    }

    #[test]
    fn what_is_stored_and_not_served_is_put_right() {
        let wanted = BTreeSet::from([org(1)]);
        let mut actual = zone().of_org(org(1));
        actual.values_mut().next().unwrap().disabled = true;
        assert_eq!(plan(&zone(), &wanted, &actual)[0].changes.len(), 1);
    }

    proptest! {
        #[test]
        fn a_plan_leads_to_what_is_wanted_and_touches_nothing_of_others(
            wanted in btree_set(0..20_u128, 0..10),
            before in btree_set(0..20_u128, 0..10),
        ) {
            let wanted: BTreeSet<OrgId> = wanted.into_iter().map(org).collect();
            let mut actual = foreign();
            actual.extend(before.into_iter().flat_map(|n| zone().of_org(org(n))));
            let planned = plan(&zone(), &wanted, &actual);
            let after = apply(actual, &planned);
            let mut expected = foreign();
            expected.extend(wanted.iter().flat_map(|org| zone().of_org(*org)));
            prop_assert_eq!(&after, &expected);
            prop_assert_eq!(plan(&zone(), &wanted, &after), vec![]);
        }
    }
}
