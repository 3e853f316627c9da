//! Additions of a deployment to a catalogue: fields, choices and words of its own.

use std::collections::BTreeMap;

use super::load::{Context, read};
use super::{BrokenRule, Catalogue, CatalogueError, Choice, FieldKind};

impl Catalogue {
    /// Returns this catalogue with the additions of one more record file.
    ///
    /// A file that names a type of this catalogue adds its fields at the end, adds its choices to the lists of the
    /// fields with those names, and replaces the type's two labels; what is there keeps its merge letter, kind and
    /// level. A file with another name adds a type.
    ///
    /// # Errors
    /// [`CatalogueError`] names the file, the field and the rule.
    pub fn extended(&self, file: &str, text: &str) -> Result<Self, CatalogueError> {
        let raw = read(file, text)?;
        let Some((number, _)) = self.get(&raw.name) else {
            let mut types = self.types.clone();
            types.append(&mut Self::parse_types(&[(file, text)])?.types);
            return Self { types }.kept(file);
        };
        let lists = raw
            .choices
            .iter()
            .map(|(list, choices)| {
                (format!("{}.{list}", raw.name), choices.iter().cloned().map(Choice::from).collect::<Vec<_>>())
            })
            .collect::<BTreeMap<_, _>>();
        let context = Context { file, lists: &lists };
        let mut types = self.types.clone();
        let Some(record_type) = types.get_mut(number) else { return Ok(self.clone()) };
        record_type.label_zh = raw.zh;
        record_type.label_en = raw.en;
        for (list, choices) in &lists {
            let name = list.rsplit('.').next().unwrap_or_default();
            let Some(field) = record_type.fields.iter_mut().find(|field| field.name == name) else { continue };
            if let FieldKind::Enum(codes) = &mut field.kind
                && field.events.is_empty()
            {
                codes.extend(choices.iter().map(|choice| choice.code.clone()));
                field.choices.extend(choices.iter().cloned());
            } else {
                return Err(context.broken(name, BrokenRule::NotAnAddition));
            }
        }
        if let Some(lost) = raw.events.iter().find(|event| !raw.fields.iter().any(|field| field.name == event.field)) {
            return Err(context.broken(&lost.field, BrokenRule::NotAnAddition));
        }
        for field in raw.fields {
            if record_type.field(&field.name).is_some() {
                return Err(context.broken(&field.name, BrokenRule::NotAnAddition));
            }
            record_type.fields.push(context.field(&raw.name, field, &raw.events)?);
        }
        record_type.index();
        Self { types }.kept(file)
    }

    fn kept(self, file: &str) -> Result<Self, CatalogueError> {
        self.keep_rules(&vec![file; self.types.len()])?;
        Ok(self)
    }
}
