//! One entry of a 422, as pydantic writes it.

use serde::Serialize;
use serde_json::{Value, json};

/// Where a fault lies: names, and the position in text that is no JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Location {
    /// A part of the request, or a field.
    Name(&'static str),
    /// A character, from 0.
    Position(usize),
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Detail {
    r#type: &'static str,
    loc: Vec<Location>,
    msg: Box<str>,
    input: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    ctx: Option<Value>,
}

impl Detail {
    /// `input` at `loc` is wrong in the way of `type`.
    pub fn new(r#type: &'static str, loc: &[&'static str], msg: impl Into<Box<str>>, input: Value) -> Self {
        Self {
            r#type,
            loc: loc.iter().map(|name| Location::Name(name)).collect(),
            msg: msg.into(),
            input,
            ctx: None,
        }
    }

    /// Nothing is there; `input` is what it should have been in.
    pub fn missing(loc: &[&'static str], input: Value) -> Self {
        Self::new("missing", loc, "Field required", input)
    }

    /// Our own rules, in the shape that pydantic gives to a validator's `ValueError`.
    pub fn value_error(loc: &[&'static str], reason: &str, input: Value) -> Self {
        Self::new("value_error", loc, format!("Value error, {reason}"), input).with("error", reason)
    }

    /// The body is no JSON.
    pub fn json_invalid(position: usize, reason: &str) -> Self {
        let mut detail = Self::new("json_invalid", &["body"], "JSON decode error", json!({}));
        detail.loc.push(Location::Position(position));
        detail.with("error", reason)
    }

    /// With one more word about the fault, for programs.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.ctx = Some(json!({ name: value.into() }));
        self
    }

    /// The field at fault, if it is one of the body.
    pub fn field(&self) -> Option<&'static str> {
        match self.loc.as_slice() {
            [Location::Name("body"), Location::Name(field)] => Some(field),
            _ => None,
        }
    }

    /// Whether the body is no JSON at all.
    pub fn is_about_json(&self) -> bool {
        self.r#type == "json_invalid"
    }

    /// Field and fault in one sentence.
    pub fn summary(&self) -> String {
        format!("{}: {}", self.field().unwrap_or("request"), self.msg)
    }

    /// What is wrong, in words.
    pub fn message(&self) -> &str {
        &self.msg
    }

    /// What was wrong.
    pub const fn input(&self) -> &Value {
        &self.input
    }
}
