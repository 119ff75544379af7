//! Building objects: members with their code.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use crate::qi::calls::CallError;
use crate::qi::convert::{Conversion, convert, convert_sequences};
use crate::qi::meta::{self, MetaMethod, MetaObject};
use crate::qi::signature::Signature;
use crate::qi::value::Value;

use super::mailbox::Limits;
use super::model::{Answer, Audience, Call, Handler, Object, OnSubscribers, PropertyValue, SetByPeer};
use super::object::Code;

/// Builds an [`Object`]. Members get ids from 100 up in the order in which they are added. Every object has the generic
/// members, statistics and traces.
pub struct ObjectBuilder {
    meta: meta::Builder,
    methods: HashMap<u32, Arc<Handler>>,
    values: Vec<(u32, String, Value)>,
    on_set: HashMap<u32, SetByPeer>,
    audiences: Vec<(u32, Box<OnSubscribers>)>,
    limits: Limits,
    at_once: usize,
    conversion: Conversion,
    kept: Vec<Box<dyn Any + Send + Sync>>,
}

impl Default for ObjectBuilder {
    fn default() -> ObjectBuilder {
        ObjectBuilder::new()
    }
}

impl ObjectBuilder {
    /// Without members of its own.
    pub fn new() -> ObjectBuilder {
        let mut meta = meta::Builder::new();
        meta.statistics();
        ObjectBuilder {
            meta,
            methods: HashMap::new(),
            values: Vec::new(),
            on_set: HashMap::new(),
            audiences: Vec::new(),
            limits: Limits::default(),
            at_once: 1,
            conversion: convert,
            kept: Vec::new(),
        }
    }

    /// Describes the object, for people.
    pub fn description(&mut self, text: &str) -> &mut ObjectBuilder {
        self.meta.description(text);
        self
    }

    /// How much its mailbox holds.
    pub fn limits(&mut self, limits: Limits) -> &mut ObjectBuilder {
        self.limits = limits;
        self
    }

    /// How many calls of it may run at once, and whatever else its code is called for; at least 1, which is the default. With more its
    /// code must be ready for that, and calls of one connection may overtake each other. It needs as many workers
    /// ([`super::Options::workers`]); those that a method holds up are replaced.
    pub fn concurrency(&mut self, calls: usize) -> &mut ObjectBuilder {
        self.at_once = calls;
        self
    }

    /// Its methods take a tuple where a list is declared, as is usual where a language has both.
    pub fn tuples_as_lists(&mut self) -> &mut ObjectBuilder {
        self.conversion = convert_sequences;
        self
    }

    /// Keeps this as long as the object is: it is dropped when no code of the object's will run any more.
    pub fn keep(&mut self, kept: impl Any + Send + Sync) -> &mut ObjectBuilder {
        self.kept.push(Box::new(kept));
        self
    }

    /// Adds a method; gives its id. `parameters` is a tuple, or `m` for any arguments. `code` runs on a worker, one call
    /// of the object at a time unless [`ObjectBuilder::concurrency`] says otherwise; the arguments have the declared types, and its result is converted to `result`.
    pub fn method(
        &mut self,
        name: &str,
        parameters: &str,
        result: &str,
        code: impl Fn(&Call) -> Result<Answer, CallError> + Send + Sync + 'static,
    ) -> u32 {
        self.method_later(name, parameters, result, move |call| {
            let result = code(&call);
            call.reply(result);
        })
    }

    /// The same for code that may keep the call and answer later, from any thread: [`Call::reply`]. The object takes its
    /// next message when `code` returns.
    pub fn method_later(
        &mut self,
        name: &str,
        parameters: &str,
        result: &str,
        code: impl Fn(Call) + Send + Sync + 'static,
    ) -> u32 {
        let id = self.meta.method(name, parameters, result);
        self.methods.insert(id, Arc::new(code));
        id
    }

    /// The same with documentation; the method's uid is replaced by the one that is given back.
    pub fn method_as(&mut self, method: MetaMethod, code: impl Fn(Call) + Send + Sync + 'static) -> u32 {
        let id = self.meta.method_as(method);
        self.methods.insert(id, Arc::new(code));
        id
    }

    /// Documents the method of this id, for people: what it does, what it gives, and the names and descriptions of its parameters.
    /// False if there is none.
    pub fn document(&mut self, id: u32, description: &str, result: &str, parameters: &[(&str, &str)]) -> bool {
        self.meta.document(id, description, result, parameters)
    }

    /// Adds a signal; gives its id. `arguments` is a tuple, or `m` for any.
    pub fn signal(&mut self, name: &str, arguments: &str) -> u32 {
        self.meta.signal(name, arguments)
    }

    /// Has `code` told when a signal or property, by its id, has got its first subscriber (true) and lost its last one (false): to run a
    /// camera only while somebody looks. It runs on a worker, like a method and in turn with them, shortly after the change; if
    /// that has been undone meanwhile, it is not told. When its server is closed it is told by the
    /// thread that does that.
    ///
    /// ```
    /// # let mut builder = nanomsg::qi::server::ObjectBuilder::new();
    /// let image = builder.signal("image", "(r)");
    /// builder.on_subscribers(image, |camera, watched| println!("{camera:?} runs: {watched}"));
    /// ```
    pub fn on_subscribers(&mut self, signal: u32, code: impl Fn(&Object, bool) + Send + Sync + 'static) {
        self.audiences.push((signal, Box::new(code)));
    }

    /// Adds a property with its first value; gives its id.
    pub fn property(&mut self, name: &str, signature: &str, value: impl Into<Value>) -> u32 {
        let id = self.meta.property(name, signature);
        self.values.push((id, signature.to_owned(), value.into()));
        id
    }

    /// The same, with code that is asked before a peer sets it. It runs on a worker, like a method. It is also asked about what a peer posts by the
    /// property's name: that is told to who listens, if it is accepted, and sets nothing, as with libqi.
    pub fn property_checked(
        &mut self,
        name: &str,
        signature: &str,
        value: impl Into<Value>,
        on_set: impl Fn(&Value) -> Result<(), String> + Send + Sync + 'static,
    ) -> u32 {
        self.property_set_by_peer(name, signature, value, SetByPeer { code: Box::new(on_set), is_check: true })
    }

    /// The same, with code that is told what a peer sets it to, on a worker, before anybody else is; an Err refuses it. It hears nothing of what is
    /// posted.
    pub fn property_told(
        &mut self,
        name: &str,
        signature: &str,
        value: impl Into<Value>,
        on_set: impl Fn(&Value) -> Result<(), String> + Send + Sync + 'static,
    ) -> u32 {
        self.property_set_by_peer(name, signature, value, SetByPeer { code: Box::new(on_set), is_check: false })
    }

    fn property_set_by_peer(&mut self, name: &str, ty: &str, value: impl Into<Value>, code: SetByPeer) -> u32 {
        let id = self.property(name, ty, value);
        self.on_set.insert(id, code);
        id
    }

    /// The object. The text says which member may not be published, and why.
    pub fn build(self) -> Result<Object, String> {
        let ObjectBuilder { meta, methods, values, on_set, audiences, limits, at_once, conversion, kept } = self;
        let meta = meta.build().map_err(|error| error.to_string())?;
        let mut converted = HashMap::new();
        for (id, signature, value) in values {
            let ty = Signature::parse(&signature).map_err(|error| error.to_string())?;
            let value = convert(value, &ty).map_err(|error| format!("property {id}: {error}"))?;
            converted
                .insert(id, PropertyValue::new(&value, &ty, None).map_err(|text| format!("property {id}: {text}"))?);
        }
        let handler = move |call: Call| {
            let _all = &kept;
            match methods.get(&call.method) {
                Some(code) => code(call),
                None => call.reply(Err("No such method".into())),
            }
        };
        let mut told = HashMap::new();
        for (id, code) in audiences {
            if meta.signal(id).is_none() {
                return Err(format!("who is told of the subscribers of {id}: there is no such signal or property"));
            }
            told.insert(id, Audience::new(code));
        }
        let code = Code::of(Box::new(handler));
        Object::assemble(meta, Code { values: converted, on_set, audiences: told, conversion, limits, at_once, ..code })
    }
}

impl Object {
    /// An object without properties whose code is in one place: `handler` gets each call of a method that `meta`
    /// declares. The text says what is wrong with `meta`.
    pub fn with_handler(meta: MetaObject, handler: impl Fn(Call) + Send + Sync + 'static) -> Result<Object, String> {
        if !meta.properties.is_empty() {
            return Err("properties need values: use the builder".to_owned());
        }
        Object::assemble(meta, Code::of(Box::new(handler)))
    }
}
