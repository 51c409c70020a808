//! The rules for statements, judged on what an SQL parser makes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use sqlparser::ast::{
    AssignmentTarget, BinaryOperator, ConflictTarget, Delete, Expr, FromTable, Insert, Join, JoinConstraint,
    JoinOperator, LockType, ObjectName, OnConflictAction, OnInsert, Query, Select, SelectItem, SetExpr,
    Statement, TableFactor, TableWithJoins, Update, Value, visit_expressions, visit_relations,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::tables::Tables;

/// What places a row.
const LICENSE: &str = "license_id";
/// The functions that mean the same wherever they are evaluated.
const FUNCTIONS: [&str; 2] = ["count", "length"];

/// A way in which a statement breaks the dialect.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Breach {
    /// It is not one statement that PostgreSQL's parser reads.
    Unreadable,
    /// It is not a plain `SELECT`, `INSERT`, `UPDATE` or `DELETE`.
    Verb,
    /// It reads from something that is no table.
    NotATable,
    /// A table that the migrations do not make.
    UnknownTable,
    /// A column that none of its tables has.
    UnknownColumn,
    /// It takes all columns, in whatever order they are.
    Wildcard,
    /// It works on a table of licences and does not name one.
    LicenseNotNamed,
    /// It joins tables by something else than the licence.
    JoinedApart,
    /// It locks other rows than those of the licence that its first parameter names, in one table.
    Lock,
    /// An expression that is more than comparing and adding columns and parameters: functions, times, casts.
    Expression,
    /// It writes what it reads.
    InsertFromQuery,
    /// It reads while it replaces a row.
    SubselectInUpdate,
    /// What it takes for the same row is not the table's key.
    ConflictKey,
    /// Its parameters are not numbered in the order in which they first stand.
    ParameterOrder,
    /// It has another number of parameters than it takes.
    ParameterCount,
}

impl Breach {
    pub(super) const ALL: [Self; 15] = [
        Self::Unreadable,
        Self::Verb,
        Self::NotATable,
        Self::UnknownTable,
        Self::UnknownColumn,
        Self::Wildcard,
        Self::LicenseNotNamed,
        Self::JoinedApart,
        Self::Lock,
        Self::Expression,
        Self::InsertFromQuery,
        Self::SubselectInUpdate,
        Self::ConflictKey,
        Self::ParameterOrder,
        Self::ParameterCount,
    ];
}

/// The ways in which a statement that takes so many parameters breaks the rules.
pub(super) fn breaches(sql: &str, takes: usize, tables: &Tables) -> BTreeSet<Breach> {
    let Some(statement) = parse(sql) else { return BTreeSet::from([Breach::Unreadable]) };
    let mut judge = Judge { tables, names: names(&statement), found: BTreeSet::new() };
    judge.statement(&statement);
    judge.parameters(sql, takes);
    judge.found
}

/// The columns that a query selects, in their order.
pub(super) fn selected(sql: &str) -> Vec<String> {
    let Some(Statement::Query(query)) = parse(sql) else { return Vec::new() };
    let Some(select) = query.body.as_select() else { return Vec::new() };
    select.projection.iter().map(ToString::to_string).collect()
}

/// The tables that a statement names.
pub(super) fn relations(sql: &str) -> Vec<String> {
    parse(sql).map_or_else(Vec::new, |statement| all_relations(&statement))
}

/// The one statement that a text is.
pub(super) fn parse(sql: &str) -> Option<Statement> {
    let statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).ok()?;
    <[Statement; 1]>::try_from(statements).ok().map(|[statement]| statement)
}

fn all_relations(statement: &Statement) -> Vec<String> {
    let mut found = Vec::new();
    let flow: ControlFlow<()> = visit_relations(statement, |name| {
        found.push(name.to_string());
        ControlFlow::Continue(())
    });
    assert!(flow.is_continue());
    found
}

/// What each name and alias in a statement stands for. Aliases are of the whole statement.
fn names(statement: &Statement) -> BTreeMap<String, String> {
    let mut names: BTreeMap<String, String> =
        all_relations(statement).into_iter().map(|table| (table.clone(), table)).collect();
    if let Statement::Insert(insert) = statement {
        names.insert("excluded".to_owned(), insert.table.to_string());
    }
    let flow: ControlFlow<()> = visit_factors(statement, &mut |factor| {
        if let TableFactor::Table { name, alias: Some(alias), .. } = factor {
            names.insert(alias.name.value.clone(), name.to_string());
        }
    });
    assert!(flow.is_continue());
    names
}

fn visit_factors(statement: &Statement, each: &mut dyn FnMut(&TableFactor)) -> ControlFlow<()> {
    struct Factors<'a>(&'a mut dyn FnMut(&TableFactor));
    impl sqlparser::ast::Visitor for Factors<'_> {
        type Break = ();
        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            (self.0)(factor);
            ControlFlow::Continue(())
        }
    }
    sqlparser::ast::Visit::visit(statement, &mut Factors(each))
}

struct Judge<'a> {
    tables: &'a Tables,
    names: BTreeMap<String, String>,
    found: BTreeSet<Breach>,
}

impl Judge<'_> {
    fn breach(&mut self, breach: Breach) {
        self.found.insert(breach);
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Query(query) => self.query(query, true),
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            _ => return self.breach(Breach::Verb),
        }
        let flow: ControlFlow<()> = visit_expressions(statement, |expression| {
            self.expression(expression);
            ControlFlow::Continue(())
        });
        assert!(flow.is_continue());
    }

    fn query(&mut self, query: &Query, is_outermost: bool) {
        let SetExpr::Select(select) = &*query.body else { return self.breach(Breach::Verb) };
        if query.with.is_some() || select.into.is_some() {
            self.breach(Breach::Verb);
        }
        if select.projection.iter().any(|item| !matches!(item, SelectItem::UnnamedExpr(_))) {
            self.breach(Breach::Wildcard);
        }
        let conditions = conjuncts(select.selection.as_ref());
        self.scope(&select.from, &conditions);
        let locks_well = match &query.locks[..] {
            [] => true,
            [lock] => {
                is_outermost
                    && lock.lock_type == LockType::Update
                    && self.locks_one_license(select, &conditions)
            }
            _ => false,
        };
        if !locks_well {
            self.breach(Breach::Lock);
        }
    }

    fn locks_one_license(&self, select: &Select, conditions: &[&Expr]) -> bool {
        let [TableWithJoins { relation, joins }] = &select.from[..] else { return false };
        let names_it = |condition: &&Expr| {
            equality(condition)
                .is_some_and(|(left, right)| license(left).is_some() && placeholder(right) == Some("$1"))
        };
        joins.is_empty()
            && table_of(relation).is_some_and(|table| self.tables.is_of_licenses(&table))
            && conditions.iter().any(names_it)
    }

    /// Tables that are read or changed together under conditions.
    fn scope(&mut self, from: &[TableWithJoins], conditions: &[&Expr]) {
        if from.len() > 1 {
            self.breach(Breach::JoinedApart);
        }
        let mut aliases = Vec::new();
        for TableWithJoins { relation, joins } in from {
            aliases.push(self.relation(relation));
            for join in joins {
                let alias = self.relation(&join.relation);
                self.join(join, alias.as_deref());
                aliases.push(alias);
            }
        }
        let mut of_licenses = aliases.iter().flatten().filter(|alias| self.is_of_licenses(alias)).peekable();
        if of_licenses.peek().is_some()
            && !conditions.iter().any(|condition| names_license(condition, &aliases))
        {
            self.breach(Breach::LicenseNotNamed);
        }
    }

    /// Notes a table; the name by which columns refer to it.
    fn relation(&mut self, relation: &TableFactor) -> Option<String> {
        let TableFactor::Table { name, alias, args: None, .. } = relation else {
            self.breach(Breach::NotATable);
            return None;
        };
        self.table(&name.to_string());
        Some(alias.as_ref().map_or_else(|| name.to_string(), |alias| alias.name.value.clone()))
    }

    fn table(&mut self, name: &str) {
        if !self.tables.has(name) {
            self.breach(Breach::UnknownTable);
        }
    }

    fn join(&mut self, join: &Join, joined: Option<&str>) {
        let (JoinOperator::Join(on) | JoinOperator::Inner(on)) = &join.join_operator else {
            return self.breach(Breach::JoinedApart);
        };
        let JoinConstraint::On(condition) = on else { return self.breach(Breach::JoinedApart) };
        let together = conjuncts(Some(condition)).into_iter().filter_map(equality).any(|(left, right)| {
            let sides = [license(left), license(right)];
            matches!(&sides, [Some(left), Some(right)] if left != right)
                && sides.iter().any(|side| side.as_deref() == joined)
        });
        if !together {
            self.breach(Breach::JoinedApart);
        }
    }

    fn is_of_licenses(&self, alias: &str) -> bool {
        self.names.get(alias).is_some_and(|table| self.tables.is_of_licenses(table))
    }

    fn insert(&mut self, insert: &Insert) {
        let table = insert.table.to_string();
        self.table(&table);
        let rows = insert.source.as_deref().map(|query| &*query.body);
        if !matches!(rows, Some(SetExpr::Values(_))) {
            self.breach(Breach::InsertFromQuery);
        }
        let columns: Vec<String> = insert.columns.iter().map(ToString::to_string).collect();
        self.columns_of(&table, &columns);
        if self.tables.is_of_licenses(&table) && !columns.iter().any(|column| column == LICENSE) {
            self.breach(Breach::LicenseNotNamed);
        }
        match &insert.on {
            None => {}
            Some(OnInsert::OnConflict(conflict)) => {
                let key = match &conflict.conflict_target {
                    Some(ConflictTarget::Columns { columns, predicate: None }) => {
                        columns.iter().map(|name| name.value.clone()).collect()
                    }
                    _ => Vec::new(),
                };
                if key != self.tables.key(&table) {
                    self.breach(Breach::ConflictKey);
                }
                if let OnConflictAction::DoUpdate(update) = &conflict.action {
                    let targets = targets(update.assignments.iter().map(|assignment| &assignment.target));
                    self.columns_of(&table, &targets);
                    if reads(update) {
                        self.breach(Breach::SubselectInUpdate);
                    }
                }
            }
            Some(_) => self.breach(Breach::Verb),
        }
    }

    fn update(&mut self, update: &Update) {
        if update.from.is_some() {
            self.breach(Breach::JoinedApart);
        }
        let targets = targets(update.assignments.iter().map(|assignment| &assignment.target));
        self.columns_of(&update.table.relation.to_string(), &targets);
        self.scope(std::slice::from_ref(&update.table), &conjuncts(update.selection.as_ref()));
    }

    fn delete(&mut self, delete: &Delete) {
        if delete.using.is_some() {
            self.breach(Breach::JoinedApart);
        }
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        self.scope(from, &conjuncts(delete.selection.as_ref()));
    }

    fn columns_of(&mut self, table: &str, columns: &[String]) {
        if self.tables.has(table) && columns.iter().any(|column| self.tables.kind(table, column).is_none()) {
            self.breach(Breach::UnknownColumn);
        }
    }

    fn expression(&mut self, expression: &Expr) {
        match expression {
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
                if !self.is_known_column(expression) {
                    self.breach(Breach::UnknownColumn);
                }
            }
            Expr::BinaryOp { .. }
            | Expr::Nested(_)
            | Expr::Tuple(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsNotDistinctFrom(..) => {}
            Expr::Value(value) if matches!(value.value, Value::Placeholder(_) | Value::Number(..)) => {}
            Expr::Subquery(query) => self.query(query, false),
            Expr::Function(function) if FUNCTIONS.contains(&function.name.to_string().as_str()) => {}
            _ => self.breach(Breach::Expression),
        }
    }

    fn is_known_column(&self, expression: &Expr) -> bool {
        let Some((alias, column)) = column(expression) else { return false };
        let tables: Vec<&String> = if alias.is_empty() {
            self.names.values().collect()
        } else {
            self.names.get(&alias).into_iter().collect()
        };
        // What is read from an unknown table is told as that.
        tables.iter().any(|table| !self.tables.has(table) || self.tables.kind(table, &column).is_some())
    }

    fn parameters(&mut self, sql: &str, takes: usize) {
        let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize().expect("it was parsed");
        let mut seen: Vec<String> = Vec::new();
        for token in tokens {
            if let Token::Placeholder(name) = token
                && !seen.contains(&name)
            {
                seen.push(name);
            }
        }
        if seen.iter().zip(1..).any(|(name, number)| *name != format!("${number}")) {
            self.breach(Breach::ParameterOrder);
        }
        if seen.len() != takes {
            self.breach(Breach::ParameterCount);
        }
    }
}

/// Whether a condition holds the licence of one of the tables to a parameter, or to that of a row around them.
fn names_license(condition: &Expr, aliases: &[Option<String>]) -> bool {
    let Some((left, right)) = equality(condition) else { return false };
    let is_ours = |name: &str| name.is_empty() || aliases.iter().flatten().any(|alias| alias == name);
    match (license(left), placeholder(right), license(right)) {
        (Some(ours), Some(_), _) => is_ours(&ours),
        (Some(ours), None, Some(around)) => is_ours(&ours) && !is_ours(&around),
        _ => false,
    }
}

/// The conditions that must all hold.
fn conjuncts(condition: Option<&Expr>) -> Vec<&Expr> {
    match condition {
        None => Vec::new(),
        Some(Expr::BinaryOp { left, op: BinaryOperator::And, right }) => {
            [conjuncts(Some(left)), conjuncts(Some(right))].concat()
        }
        Some(Expr::Nested(inner)) => conjuncts(Some(inner)),
        Some(other) => vec![other],
    }
}

fn equality(condition: &Expr) -> Option<(&Expr, &Expr)> {
    match condition {
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => Some((left, right)),
        _ => None,
    }
}

/// The alias before a column that is the licence; empty where there is none.
fn license(expression: &Expr) -> Option<String> {
    let (alias, column) = column(expression)?;
    (column == LICENSE).then_some(alias)
}

fn table_of(relation: &TableFactor) -> Option<String> {
    match relation {
        TableFactor::Table { name, args: None, .. } => Some(name.to_string()),
        _ => None,
    }
}

fn placeholder(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Value(value) => match &value.value {
            Value::Placeholder(name) => Some(name),
            _ => None,
        },
        _ => None,
    }
}

/// The alias and the name of a column.
fn column(expression: &Expr) -> Option<(String, String)> {
    match expression {
        Expr::Identifier(name) => Some((String::new(), name.value.clone())),
        Expr::CompoundIdentifier(names) => match &names[..] {
            [alias, name] => Some((alias.value.clone(), name.value.clone())),
            _ => None,
        },
        _ => None,
    }
}

fn targets<'a>(targets: impl Iterator<Item = &'a AssignmentTarget>) -> Vec<String> {
    let names = targets.flat_map(|target| match target {
        AssignmentTarget::ColumnName(name) => std::slice::from_ref(name),
        AssignmentTarget::Tuple(names) => names,
    });
    names.map(ObjectName::to_string).collect()
}

/// Whether there is a query in it.
fn reads(part: &impl sqlparser::ast::Visit) -> bool {
    struct Queries;
    impl sqlparser::ast::Visitor for Queries {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    part.visit(&mut Queries).is_break()
}
