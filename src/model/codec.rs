//! Records to bytes and back: JSON with two spaces, keys in the order of the struct, a line end at the end.
//!
//! The same record always gives the same bytes, so that an unchanged record costs no object.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Error, Result};

/// The bytes of a record.
pub fn encode<T: Serialize>(what: &str, record: &T) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(record)
        .map_err(|e| Error::Damaged { what: what.to_owned(), problem: e.to_string() })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The record in some bytes.
pub fn decode<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|e| Error::Damaged { what: what.to_owned(), problem: e.to_string() })
}

/// The record in a JSON value.
pub fn from_value<T: DeserializeOwned>(what: &str, value: serde_json::Value) -> Result<T> {
    serde_json::from_value(value).map_err(|e| Error::Damaged { what: what.to_owned(), problem: e.to_string() })
}
