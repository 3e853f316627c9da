//! Saving a roster's rows: a person and their check-in in one commit each.

use std::collections::HashMap;

use lastmile_client::{ClientError, Draft, Replica};
use lastmile_model::duplicates::{self, PersonKey};
use lastmile_model::input::{self, Entered, Entry};
use lastmile_model::scope::ScopeKind;
use lastmile_model::{Places, RecordId, RecordType, Value, names, phone};
use lastmile_store::query::Query;
use lastmile_store::storage::Cell;

use crate::args::data::ImportRoster;
use crate::commands::device::with_context;
use crate::commands::opened::{client_error, find_record, store_error};
use crate::error::{CliError, Exit};
use crate::messages::{Language, key};
use crate::output::Output;
use crate::roster::{Roster, RosterRow};

/// Fields of the check-in; all others but the community and the employer are the person's.
const OF_CHECK_IN: &[&str] = &["grid", "basis", "address_building", "intents"];

/// Why a row was refused.
pub(super) enum Refusal {
    /// It names another community.
    OtherCommunity,
    /// Fields do not fit; says which.
    Invalid(String),
}

/// What came of a roster.
#[derive(Default)]
pub(super) struct Saved {
    /// Rows saved, with their persons.
    pub rows: Vec<(u64, RecordId)>,
    /// Rows refused.
    pub refused: Vec<(u64, Refusal)>,
    /// Rows that were left out, since their person is here already.
    pub present: Vec<(u64, RecordId)>,
    /// Rows that may be a person who is here already.
    pub hints: Vec<(u64, Vec<RecordId>)>,
    /// Rows whose employer is not known here.
    pub no_employer: Vec<u64>,
    /// Whether the political status was assumed, since no column says it.
    pub assumed_members: bool,
}

/// A person as the duplicate rules look at them.
struct Known {
    id: RecordId,
    name: String,
    phones: Vec<String>,
    birth_ym: Option<String>,
    id_last4: Option<String>,
}

/// Whether two entries agree on something; `None` where one of them does not say.
fn agree(one: Option<&str>, other: Option<&str>) -> Option<bool> {
    Some(one? == other?)
}

impl Known {
    /// Whether a row is about this person: the same name with a phone, the end of the id number or the month of birth in
    /// common, and nothing that both say differently. A phone in common outweighs the month of birth, which rosters mend.
    fn is(&self, row: &Self) -> bool {
        let phone = (!self.phones.is_empty() && !row.phones.is_empty())
            .then(|| self.phones.iter().any(|phone| row.phones.contains(phone)));
        let id = agree(self.id_last4.as_deref(), row.id_last4.as_deref());
        let birth = agree(self.birth_ym.as_deref(), row.birth_ym.as_deref());
        !row.name.is_empty()
            && self.name == row.name
            && match (phone, id, birth) {
                (_, Some(false), _) => false,
                (Some(true), ..) | (_, Some(true), None | Some(true)) => true,
                (None, None, Some(true)) => true,
                _ => false,
            }
    }

    fn key(&self) -> PersonKey<'_> {
        PersonKey {
            id: self.id,
            name: &self.name,
            phones: self.phones.iter().map(String::as_str).collect(),
            birth_ym: self.birth_ym.as_deref(),
            ..PersonKey::default()
        }
    }
}

/// The persons and organisations on the device, by name.
struct Here {
    persons: HashMap<String, Vec<Known>>,
    orgs: HashMap<String, RecordId>,
}

fn text(cell: Option<&Cell<'_>>) -> Option<String> {
    match cell {
        Some(Cell::Text(text)) if !text.is_empty() => Some(text.clone().into_owned()),
        _ => None,
    }
}

impl Here {
    fn read(replica: &Replica) -> Result<Self, CliError> {
        replica
            .read(|reader| {
                let mut here = Self { persons: HashMap::new(), orgs: HashMap::new() };
                let persons = Query::new(reader.type_no("person")?, &["name", "phone", "birth_ym", "id_last4"]);
                for row in reader.rows(&persons)? {
                    let name = names::normal(&text(row.cells.first()).unwrap_or_default()).into_owned();
                    let phones = text(row.cells.get(1)).and_then(|list| serde_json::from_str(&list).ok());
                    let birth_ym = text(row.cells.get(2));
                    let id_last4 = text(row.cells.get(3));
                    here.keep(Known { id: row.id, name, phones: phones.unwrap_or_default(), birth_ym, id_last4 });
                }
                let orgs = Query::new(reader.type_no("org")?, &["name", "short", "uscc"]);
                for row in reader.rows(&orgs)? {
                    for name in row.cells.iter().filter_map(|cell| text(Some(cell))) {
                        here.orgs.entry(names::normal(&name).into_owned()).or_insert(row.id);
                    }
                }
                Ok(here)
            })
            .map_err(store_error)
    }

    fn keep(&mut self, person: Known) {
        self.persons.entry(person.name.clone()).or_default().push(person);
    }

    /// The person of a row, if here already.
    fn present(&self, row: &Known) -> Option<RecordId> {
        self.persons.get(&row.name)?.iter().find(|known| known.is(row)).map(|known| known.id)
    }

    fn hints(&self, person: &Known) -> Vec<RecordId> {
        let same_name: Vec<PersonKey<'_>> =
            self.persons.get(&person.name).into_iter().flatten().map(Known::key).collect();
        duplicates::hints(&person.key(), &same_name).collect()
    }
}

/// What every row of one import shares.
struct Import<'r> {
    replica: &'r Replica,
    person: RecordType,
    check_in: RecordType,
    home: String,
    usual_community: Option<String>,
    usual_employer: Option<RecordId>,
    usual_status: Option<&'static str>,
    language: Language,
    /// Whether rows are saved whose person is here already.
    anyway: bool,
}

/// Saves the rows that can be saved; what is refused is in the result.
pub(super) fn save(
    args: &ImportRoster,
    roster: &Roster,
    replica: &Replica,
    output: &Output,
) -> Result<Saved, CliError> {
    let language = output.messages().language();
    let known = |name: &str| {
        let found = replica.catalogue().get(name).map(|(_, known)| known.clone());
        found.ok_or_else(|| CliError::new(Exit::NotFound, key!("error.no_type")).with("type", name))
    };
    let scopes = replica.read(lastmile_store::Reader::scopes).map_err(store_error)?;
    let home = scopes.iter().map(|(_, scope)| scope).find(|scope| scope.kind() == ScopeKind::Community);
    let home = home.ok_or_else(|| CliError::new(Exit::NotFound, key!("roster.no_home")))?.code().to_owned();
    let employer = args.employer.as_ref();
    let usual_employer =
        employer.map(|id| replica.read(|reader| find_record(reader, id, Some("org")))).transpose()?.map(|org| org.id);
    let says_status =
        roster.headings.iter().any(|heading| heading.taken_as == crate::roster::Use::Field("party_status"));
    let import = Import {
        replica,
        person: known("person")?,
        check_in: known("check_in")?,
        home,
        usual_community: args.community.as_ref().map(|code| code.as_str().to_owned()),
        usual_employer,
        // Who is on a roster of members is one.
        usual_status: (!says_status).then_some("01"),
        language,
        anyway: args.anyway,
    };
    let mut here = Here::read(replica)?;
    let mut saved = Saved { assumed_members: !says_status, ..Saved::default() };
    let total = u64::try_from(roster.rows.len()).ok();
    let bar = output.progress::<&str>(total, key!("roster.importing"), &[]);
    for row in &roster.rows {
        match import.row(row, &here, &mut saved) {
            Ok(None) => {}
            Ok(Some(person)) => {
                saved.rows.push((row.row_number, person.id));
                here.keep(person);
            }
            Err(RowError::Refused(refusal)) => saved.refused.push((row.row_number, refusal)),
            // A full disk ends the import; what was saved before stays saved.
            Err(RowError::Failed(error)) => return Err(error),
        }
        bar.add(1);
    }
    Ok(saved)
}

enum RowError {
    Refused(Refusal),
    Failed(CliError),
}

impl Import<'_> {
    fn row(&self, row: &RosterRow, here: &Here, saved: &mut Saved) -> Result<Option<Known>, RowError> {
        let of = |name: &str| row.fields.get(name).map(String::as_str);
        let community = of("community").or(self.usual_community.as_deref());
        if community.is_some_and(|said| !is_place(said, &self.home)) {
            return Err(RowError::Refused(Refusal::OtherCommunity));
        }
        let employer = match of("employer") {
            Some(name) => here.orgs.get(names::normal(name).as_ref()).copied(),
            None => self.usual_employer,
        };
        let mut wanted = Vec::new();
        let mut person = Vec::new();
        let mut check_in = vec![Entered::Set { key: "community".to_owned(), value: self.home.as_str().into() }];
        with_context(|context| {
            let mut take = |known: &RecordType, entered: &mut Vec<Entered>, name: &str, text: &str| match input::enter(
                known, name, text, context,
            ) {
                Ok(more) => entered.extend(more),
                Err(problem) => wanted.push(problem),
            };
            for (name, text) in &row.fields {
                match *name {
                    "community" | "employer" => {}
                    name if OF_CHECK_IN.contains(&name) => take(&self.check_in, &mut check_in, name, text),
                    name => take(&self.person, &mut person, name, text),
                }
            }
            take(&self.person, &mut person, "kind", "member");
            if let Some(status) = self.usual_status {
                take(&self.person, &mut person, "party_status", status);
            }
            input::with_defaults(&self.person, &mut person, context);
            input::with_defaults(&self.check_in, &mut check_in, context);
        });
        if !wanted.is_empty() {
            return Err(self.refusal(ClientError::Invalid(wanted)));
        }
        let mut new = Known {
            id: RecordId::from_bytes([0; 16]),
            name: names::normal(of("name").unwrap_or_default()).into_owned(),
            phones: of("phone").into_iter().flat_map(|list| list.split(';')).filter_map(phone::normal).collect(),
            birth_ym: of("birth_ym").map(str::to_owned),
            id_last4: person.iter().find_map(|entered| match entered {
                Entered::Set { key, value } if key == "id_last4" => value.as_str().map(str::to_owned),
                _ => None,
            }),
        };
        if let (Some(present), false) = (here.present(&new), self.anyway) {
            saved.present.push((row.row_number, present));
            return Ok(None);
        }
        if let Some(employer) = employer {
            person.push(Entered::Set { key: "employer".to_owned(), value: Value::reference(employer) });
            check_in.push(Entered::Set { key: "employer_at_time".to_owned(), value: Value::reference(employer) });
        }
        let mut draft = self.replica.draft(None);
        new.id = self.draw_up(&mut draft, person, check_in).map_err(|error| self.refusal(error))?;
        let hints = here.hints(&new);
        draft.save().map_err(|error| self.refusal(error))?;
        if !hints.is_empty() {
            saved.hints.push((row.row_number, hints));
        }
        if of("employer").is_some() && employer.is_none() {
            saved.no_employer.push(row.row_number);
        }
        Ok(Some(new))
    }

    fn draw_up(
        &self,
        draft: &mut Draft<'_>,
        person: Vec<Entered>,
        mut check_in: Vec<Entered>,
    ) -> Result<RecordId, ClientError> {
        let id = draft.create("person", Entry::from(person))?;
        check_in.push(Entered::Set { key: "person".to_owned(), value: Value::reference(id) });
        let registered = draft.create("check_in", Entry::from(check_in))?;
        draft.event("check_in", registered, "register", &[])?;
        Ok(id)
    }

    fn refusal(&self, error: ClientError) -> RowError {
        match error {
            ClientError::Invalid(problems) => {
                let texts: Vec<String> = problems
                    .iter()
                    .map(|problem| if self.language == Language::Chinese { problem.zh() } else { problem.en() })
                    .collect();
                RowError::Refused(Refusal::Invalid(texts.join("; ")))
            }
            other => RowError::Failed(client_error(other, self.language)),
        }
    }
}

/// Whether what was typed names this place: by its code or by its name.
fn is_place(said: &str, code: &str) -> bool {
    let said = said.trim();
    let place = Places::changsha().get(code);
    said == code || place.is_some_and(|place| place.name == said || place.short_name() == said)
}
