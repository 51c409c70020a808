//! The fields of any value that has a JSON form, in their order, written for people.

use std::fmt::{self, Display};

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A value: absent, one word, a list, or named fields in order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Node {
    Absent,
    Word(String),
    List(Vec<Node>),
    Fields(Vec<(String, Node)>),
}

impl Node {
    /// The fields of `value`, without those named in `leave_out`.
    pub(super) fn of(value: &impl Serialize, leave_out: &[&str]) -> Self {
        let json = serde_json::to_string(value).expect("wire types have a JSON form");
        let node = serde_json::from_str(&json).expect("what was just written is JSON");
        match node {
            Self::Fields(mut fields) => {
                fields.retain(|(name, _)| !leave_out.contains(&name.as_str()));
                Self::Fields(fields)
            }
            node => node,
        }
    }

    fn is_absent(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::Word(_) => false,
            Self::List(nodes) => nodes.is_empty(),
            Self::Fields(fields) => fields.iter().all(|(_, node)| node.is_absent()),
        }
    }
}

impl Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => Ok(()),
            Self::Word(word) => f.write_str(word),
            Self::List(nodes) => {
                let nodes: Vec<_> = nodes.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", nodes.join("; "))
            }
            Self::Fields(fields) => {
                let fields: Vec<_> = fields
                    .iter()
                    .filter(|(_, node)| !node.is_absent())
                    .map(|(name, node)| format!("{} {}", name.replace('_', " "), Nested(node)))
                    .collect();
                f.write_str(&fields.join(", "))
            }
        }
    }
}

struct Nested<'a>(&'a Node);

impl Display for Nested<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Node::Fields(_) => write!(f, "({})", self.0),
            node => node.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without fractions")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Absent)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Word(if value { "yes" } else { "no" }.to_owned()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Word(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Word(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = seq.next_element()? {
            nodes.push(node);
        }
        Ok(Node::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Node::Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order_and_absent_ones_are_left_out() {
        #[derive(Serialize)]
        struct Inner {
            n: u32,
            on: bool,
        }
        #[derive(Serialize)]
        struct Outer {
            kind: &'static str,
            zebra: u32,
            a_name: Option<&'static str>,
            list: Vec<Inner>,
            inner: Inner,
        }
        let list = vec![Inner { n: 1, on: true }, Inner { n: 2, on: false }];
        let outer = Outer { kind: "x", zebra: 7, a_name: None, list, inner: Inner { n: 3, on: true } };
        assert_eq!(
            Node::of(&outer, &["kind"]).to_string(),
            "zebra 7, list [n 1, on yes; n 2, on no], inner (n 3, on yes)"
        );
    }
}
