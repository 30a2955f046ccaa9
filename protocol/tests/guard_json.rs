//! The JSON validator against yrs, which reads what the guard lets through.

use orrery_protocol::json::{validate, validate_for_document};
use proptest::prelude::*;
use serde_json::Value;
use yrs::Any;

/// Texts that are JSON, or nearly.
fn nearly_json() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "d83d", "de00", "\\n", "a", "ä", "😀", " ", "\n", "null",
        "true", "false", "-", "0", "1", "9", ".", "e", "E", "+", "308", "\"k\":", "\"v\"", "[]", "{}", "\u{0}",
        "\u{7f}", "tru",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn values() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    scalar.prop_recursive(6, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((".{0,4}", inner), 0..5).prop_map(|entries| entries.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_is_written_is_accepted(value in values(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let text = text.expect("a value is writable");
        prop_assert_eq!(validate(&text), Ok(()));
        prop_assert_eq!(validate_for_document(&text), Ok(()));
    }

    #[test]
    fn the_same_texts_are_json(text in nearly_json()) {
        let read = Any::from_json(&text);
        prop_assert_eq!(validate_for_document(&text).is_ok(), read.is_ok(), "{:?}", read);
    }

    #[test]
    fn numbers_are_finite_for_both(digits in "-?[1-9][0-9]{0,20}(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?") {
        let read = Any::from_json(&digits);
        if validate_for_document(&digits).is_ok() {
            prop_assert!(read.is_ok(), "{:?}", read);
        }
    }

    #[test]
    fn faults_lie_within_the_text(text in nearly_json()) {
        if let Err(fault) = validate(&text) {
            prop_assert!(fault.offset <= text.len());
        }
    }
}
