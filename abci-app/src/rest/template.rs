//! Path templates of `google.api.http`: `/cosmos/bank/v1beta1/balances/{address}`, `{name=**}`, `{id=a/*/b}`, `:verb`.

use std::cmp::Ordering;

/// One part of a path between slashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    /// Exactly this text.
    Literal(String),
    /// Any one part.
    One,
    /// Any number of parts; once in a template.
    Rest,
}

/// A variable, and the segments that it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Variable {
    /// Field of the request, such as `block_id.height`.
    field: String,
    from: usize,
    to: usize,
}

/// A path with variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    segments: Vec<Segment>,
    variables: Vec<Variable>,
    verb: Option<String>,
}

/// A path, decoded and split as grpc-gateway does: percent signs first, so an encoded slash separates too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parts<'a>(Vec<&'a str>);

impl<'a> Parts<'a> {
    /// `path` without percent encoding.
    pub(super) fn new(path: &'a str) -> Option<Self> {
        let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        // A verb without anything before it belongs to no path.
        (!parts.last()?.starts_with(':')).then_some(Self(parts))
    }
}

impl Template {
    /// The template in the text; `None` if it is malformed.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (text, verb) = split_verb(text);
        let mut template =
            Self { segments: Vec::new(), variables: Vec::new(), verb: verb.map(str::to_owned) };
        let mut rest = text.strip_prefix('/')?;
        loop {
            let end = match rest.strip_prefix('{') {
                Some(inner) => {
                    let close = inner.find('}')?;
                    template.variable(inner.get(..close)?)?;
                    close.checked_add(2)?
                }
                None => {
                    let end = rest.find('/').unwrap_or(rest.len());
                    template.segment(rest.get(..end)?)?;
                    end
                }
            };
            rest = rest.get(end..)?;
            match rest.strip_prefix('/') {
                Some(more) => rest = more,
                None if rest.is_empty() => break,
                None => return None,
            }
        }
        let rests = template.segments.iter().filter(|s| **s == Segment::Rest).count();
        (rests <= 1).then_some(template)
    }

    fn variable(&mut self, text: &str) -> Option<()> {
        let (field, pattern) = text.split_once('=').unwrap_or((text, "*"));
        let from = self.segments.len();
        pattern.split('/').try_for_each(|segment| self.segment(segment))?;
        let name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let valid = !field.is_empty() && field.chars().all(name);
        self.variables.push(Variable { field: field.to_owned(), from, to: self.segments.len() });
        valid.then_some(())
    }

    fn segment(&mut self, text: &str) -> Option<()> {
        let segment = match text {
            "*" => Segment::One,
            "**" => Segment::Rest,
            "" => return None,
            literal if literal.contains(['{', '}', '*']) => return None,
            literal => Segment::Literal(literal.to_owned()),
        };
        self.segments.push(segment);
        Some(())
    }

    /// Fields that the path gives.
    pub(super) fn fields(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|v| v.field.as_str())
    }

    /// The variables of a path with their values; `None` if it is another path.
    pub(super) fn matches(&self, path: &Parts<'_>) -> Option<Vec<(&str, String)>> {
        let mut parts = path.0.clone();
        if let Some(verb) = &self.verb {
            let last = parts.last_mut()?;
            *last = last.strip_suffix(verb.as_str())?.strip_suffix(':')?;
        }
        // Parts that each segment takes; `Rest` takes what the others leave.
        let rest = self.segments.iter().position(|s| *s == Segment::Rest);
        let spare = match rest {
            Some(_) => parts.len().checked_sub(self.segments.len().checked_sub(1)?)?,
            None if parts.len() == self.segments.len() => 1,
            None => return None,
        };
        let start = |index: usize| match rest {
            Some(rest) if index > rest => index.saturating_sub(1).saturating_add(spare),
            _ => index,
        };
        for (index, segment) in self.segments.iter().enumerate() {
            if matches!(segment, Segment::Literal(text) if parts.get(start(index)) != Some(&text.as_str())) {
                return None;
            }
        }
        let value = |v: &Variable| parts.get(start(v.from)..start(v.to)).map(|taken| taken.join("/"));
        self.variables.iter().map(|v| Some((v.field.as_str(), value(v)?))).collect()
    }

    /// Literal text comes before variables, so that `/blocks/latest` is not a height.
    pub(super) fn precedence(&self, other: &Self) -> Ordering {
        self.segments.cmp(&other.segments).then(other.verb.cmp(&self.verb))
    }

    /// The path without the names of its variables: templates of one shape match the same paths.
    pub(super) fn shape(&self) -> String {
        let blank = |v: &Variable| Variable { field: String::new(), ..v.clone() };
        let variables = self.variables.iter().map(blank).collect();
        Self { variables, ..self.clone() }.openapi()
    }

    /// The path with `{field}` for each variable, as OpenAPI writes it.
    pub(super) fn openapi(&self) -> String {
        let mut out = String::new();
        let mut index = 0;
        while let Some(segment) = self.segments.get(index) {
            out.push('/');
            if let Some(v) = self.variables.iter().find(|v| v.from == index && v.to > index) {
                out.push_str(&format!("{{{}}}", v.field));
                index = v.to;
                continue;
            }
            match segment {
                Segment::Literal(text) => out.push_str(text),
                Segment::One => out.push('*'),
                Segment::Rest => out.push_str("**"),
            }
            index = index.saturating_add(1);
        }
        self.verb.iter().for_each(|verb| out.push_str(&format!(":{verb}")));
        out
    }
}

/// The verb behind the last colon that is outside braces.
fn split_verb(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((path, verb)) if !verb.contains(['}', '/']) => (path, Some(verb)),
        _ => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(template: &str, path: &str) -> Option<Vec<String>> {
        let template = Template::parse(template).unwrap();
        let found = template.matches(&Parts::new(path)?)?;
        Some(found.into_iter().map(|(field, value)| format!("{field}={value}")).collect())
    }

    #[test]
    fn paths_and_templates() {
        for (template, path, want) in [
            ("/a/b", "/a/b", Some("")),
            ("/a/b", "/a/b/", None),
            ("/a/b", "/a", None),
            ("/a/b", "/a/c", None),
            ("/a/{x}", "/a/1", Some("x=1")),
            ("/a/{x}", "/a/", Some("x=")),
            ("/a/{x}", "/a/1/2", None),
            ("/a/{x}/c/{y.z}", "/a/1/c/2", Some("x=1 y.z=2")),
            ("/a/{x}/c", "/a/c/c", Some("x=c")),
            ("/a/{x=**}", "/a/ibc/7", Some("x=ibc/7")),
            ("/a/{x=**}", "/a", Some("x=")),
            ("/a/{x=**}/end", "/a/1/2/end", Some("x=1/2")),
            ("/a/{x=**}/{y}/end", "/a/1/2/3/end", Some("x=1/2 y=3")),
            ("/a/{x=b/*}/c", "/a/b/1/c", Some("x=b/1")),
            ("/a/{x=b/*}/c", "/a/d/1/c", None),
            ("/a/*/c", "/a/9/c", Some("")),
            ("/a/{x}:run", "/a/1:run", Some("x=1")),
            ("/a/{x}:run", "/a/1", None),
            ("/a/{x}", "/a/1:run", Some("x=1:run")),
            ("/a/{x}", "/a/:run", None),
        ] {
            let got = values(template, path).map(|v| v.join(" "));
            assert_eq!(got.as_deref(), want, "{template} {path}");
        }
    }

    #[test]
    fn malformed_templates() {
        for text in
            ["", "a", "/", "/a//b", "/a/{", "/a/{x", "/a/{}", "/a/{x}b", "/a/{x=**}/**", "/a/}", "/{a b}"]
        {
            assert_eq!(Template::parse(text), None, "{text}");
        }
    }

    #[test]
    fn literal_text_comes_first() {
        let mut all = ["/a/{x=**}", "/a/{x}", "/a/b", "/a/{x}/c"].map(|t| Template::parse(t).unwrap());
        all.sort_by(Template::precedence);
        assert_eq!(all.map(|t| t.openapi()), ["/a/b", "/a/{x}", "/a/{x}/c", "/a/{x}"]);
        assert!(
            Template::parse("/a/{x}").unwrap().precedence(&Template::parse("/a/{x=**}").unwrap()).is_lt()
        );
    }
}
