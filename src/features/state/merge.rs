//! JSON merge patch (RFC 7396), and the patch that an edited file amounts to.

use serde_json::{Map, Value};

/// Applies a merge patch: objects member by member, `null` removes, all else replaces.
pub fn merge_patch(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.shift_remove(key);
            }
            Value::Object(patch) => {
                let slot = target.entry(key.clone()).or_insert_with(|| Value::Object(Map::new()));
                if !slot.is_object() {
                    *slot = Value::Object(Map::new());
                }
                if let Value::Object(inner) = slot {
                    merge_patch(inner, patch);
                }
            }
            _ => {
                target.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Puts one merge patch on top of another: the patch that does both, one after the other.
pub fn compose(first: &mut Map<String, Value>, second: &Map<String, Value>) {
    for (key, value) in second {
        match (first.get_mut(key), value) {
            (Some(Value::Object(have)), Value::Object(more)) => compose(have, more),
            _ => {
                first.insert(key.clone(), value.clone());
            }
        }
    }
}

/// What an editor changed: the patch that makes `after` of `before`. A list is one value; what is gone is `null`.
pub fn changes(before: &Map<String, Value>, after: &Map<String, Value>) -> Map<String, Value> {
    let mut patch = Map::new();
    for (key, value) in after {
        match (before.get(key), value) {
            (Some(old), new) if old == new => {}
            (Some(Value::Object(old)), Value::Object(new)) => {
                patch.insert(key.clone(), Value::Object(changes(old, new)));
            }
            (_, new) => {
                patch.insert(key.clone(), new.clone());
            }
        }
    }
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    patch
}

/// Takes out keys of the top level, and objects that are left empty at any depth.
pub fn without(mut map: Map<String, Value>, keys: &[&str]) -> Map<String, Value> {
    map.retain(|key, _| !keys.contains(&key.as_str()));
    prune(&mut map);
    map
}

fn prune(map: &mut Map<String, Value>) {
    map.retain(|_, value| match value {
        Value::Object(inner) => {
            prune(inner);
            !inner.is_empty()
        }
        _ => true,
    });
}

/// `a.b` and a value as a patch.
pub fn at_path(path: &str, value: Value) -> Map<String, Value> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let inner = match rest {
        Some(rest) => Value::Object(at_path(rest, value)),
        None => value,
    };
    std::iter::once((first.to_owned(), inner)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn map(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn the_cases_of_the_rfc_hold() {
        for (target, patch, result) in [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b","b":"c"}), json!({"a":null}), json!({"b":"c"})),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":{"b":"c"}}), json!({"a":{"b":"d","c":null}}), json!({"a":{"b":"d"}})),
            (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (json!({}), json!({"a":{"bb":{"ccc":null}}}), json!({"a":{"bb":{}}})),
        ] {
            let mut target = map(target);
            merge_patch(&mut target, &map(patch));
            assert_eq!(Value::Object(target), result);
        }
    }

    #[test]
    fn two_patches_in_one_do_what_both_do() {
        let mut first = map(json!({"a":{"x":1,"y":2},"b":3}));
        compose(&mut first, &map(json!({"a":{"y":null},"b":null,"c":4})));
        assert_eq!(Value::Object(first), json!({"a":{"x":1,"y":null},"b":null,"c":4}));
    }

    #[test]
    fn a_path_names_a_value_below() {
        assert_eq!(Value::Object(at_path("a.b.c", json!(1))), json!({"a":{"b":{"c":1}}}));
        assert_eq!(Value::Object(without(at_path("a.b", json!({})), &[])), json!({}));
    }

    fn object() -> impl Strategy<Value = Map<String, Value>> {
        let leaf = prop_oneof![any::<u8>().prop_map(Value::from), Just(json!([1, 2]))];
        let value = leaf.prop_recursive(3, 12, 3, |inner| {
            proptest::collection::btree_map("[abc]", inner, 0..3).prop_map(|m| Value::Object(m.into_iter().collect()))
        });
        proptest::collection::btree_map("[abc]", value, 0..3).prop_map(|m| m.into_iter().collect())
    }

    proptest! {
        #[test]
        fn what_was_changed_makes_the_new_of_the_old(before in object(), after in object()) {
            let mut made = before.clone();
            merge_patch(&mut made, &changes(&before, &after));
            prop_assert_eq!(made, after);
        }
    }
}
