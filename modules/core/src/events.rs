//! Events as CometBFT indexes them.

use geodesic_proto::prost::{Message, Name};

/// Type and attributes of one event, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Event type, such as `transfer`.
    pub kind: String,
    /// Keys and values; all indexed.
    pub attributes: Vec<(String, String)>,
}

impl Event {
    /// An event without attributes.
    pub fn new(kind: &str) -> Self {
        Self { kind: kind.to_owned(), attributes: Vec::new() }
    }

    /// The same event with one attribute more.
    #[must_use]
    pub fn attr(mut self, key: &str, value: impl ToString) -> Self {
        self.attributes.push((key.to_owned(), value.to_string()));
        self
    }

    /// A protobuf message as an event: the type is its full name, an attribute's value is the JSON of the field,
    /// attributes in alphabetical order (the SDK's `TypedEventToEvent`).
    pub fn typed<T: Message + Name>(message: &T) -> Self {
        let json = geodesic_proto::json::to_value(message).ok();
        let mut attributes: Vec<_> = json
            .as_ref()
            .and_then(|v| v.as_object())
            .into_iter()
            .flatten()
            .map(|(k, v)| (k.clone(), v.to_string()))
            .collect();
        attributes.sort();
        Self { kind: T::full_name(), attributes }
    }
}
