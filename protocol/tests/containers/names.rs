//! Names that people give, of all kinds, as labels of host names.

use orrery_protocol::{
    container::{Domain, HostName, Target},
    id::{ContainerId, LABEL_BYTES_MAX, Slug},
};
use proptest::prelude::*;

use crate::scene::ORG;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_name_becomes_a_slug_that_is_nothing_else(name in "(uc|org|xn|[0-9])?[-a-zA-Z0-9 ä日]{0,80}|\\PC{0,200}", id in any::<u128>()) {
        let id = ContainerId::from_random(id);
        let slug = Slug::of(&name, id, |_| false);
        let label = slug.as_str();
        prop_assert!(label.len() <= LABEL_BYTES_MAX);
        prop_assert!(label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'));
        prop_assert!(label.starts_with(|first: char| first.is_ascii_lowercase()) && !label.ends_with('-'));
        prop_assert!(!label.contains("--"));
        prop_assert_eq!(label.parse(), Ok(slug.clone()));
        let domain: Domain = "orrery.example".parse().unwrap();
        let alias = HostName { org: ORG, target: Target::Alias(slug.clone()) };
        prop_assert_eq!(HostName::parse(&alias.under(&domain), &domain), Some(alias));
        let other = Slug::of(&name, id, |taken| *taken == slug);
        prop_assert_ne!(other, slug);
    }

    #[test]
    fn an_id_is_the_same_in_a_document_and_in_a_host_name(number in any::<u128>()) {
        let id = ContainerId::from_random(number);
        prop_assert_eq!(id.to_string().parse(), Ok(id));
        prop_assert_eq!(ContainerId::from_label(&id.label()), Some(id));
        prop_assert_eq!(id.to_string().replace('_', "-"), id.label());
    }
}
