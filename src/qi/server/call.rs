//! A call as its method sees it, and the responder by which it is answered exactly once.

use std::fmt;
use std::sync::Arc;

use crate::qi::calls::CallError;
use crate::qi::endpoint::budget::Charge;
use crate::qi::message::Message;
use crate::qi::payload::write_result;
use crate::qi::signature::Signature;
use crate::qi::value::{Text, Value, Writer};

use super::export::Exported;
use super::model::Remote;
use super::model::{Address, Answer, Call, Caller, Cancellation, InboundCall, Object, Responder};

impl Answer {
    /// Nothing: `v`.
    pub fn void() -> Answer {
        Answer::default()
    }

    /// With this object, which the value refers to somewhere.
    #[must_use]
    pub fn carrying(mut self, object: &Object) -> Answer {
        self.objects.push(object.clone());
        self
    }
}

impl Answer {
    /// All of them in one tuple.
    pub(super) fn tuple(answers: Vec<Answer>) -> Answer {
        let (mut values, mut objects) = (Vec::new(), Vec::new());
        for answer in answers {
            values.push(answer.value);
            objects.extend(answer.objects);
        }
        Answer { value: Value::tuple(values), objects }
    }
}

impl<T: Into<Value>> From<T> for Answer {
    fn from(value: T) -> Answer {
        Answer { value: value.into(), objects: Vec::new() }
    }
}

impl From<&Object> for Answer {
    fn from(object: &Object) -> Answer {
        Answer::from(object.to_value()).carrying(object)
    }
}

impl Caller {
    /// The connection's id.
    pub fn connection(&self) -> u64 {
        self.peer.id()
    }

    /// The service under whose id the object was called.
    pub fn service(&self) -> u32 {
        self.address.service
    }

    /// The peer's address.
    pub fn remote(&self) -> String {
        self.peer.connection.remote()
    }

    /// On which it pays for what is kept for it.
    pub(super) fn charge(&self) -> Charge {
        Charge::on(&self.peer.account)
    }

    /// The address at which the peer has reached us.
    pub fn local(&self) -> Option<String> {
        self.peer.connection.local()
    }

    /// As whom the peer has authenticated, if it gave a name.
    pub fn user(&self) -> Option<Text> {
        self.peer.user()
    }

    /// Bytes that wait to be sent to the caller: many say that it does not read as fast as it is answered.
    pub fn unsent_bytes(&self) -> u64 {
        self.peer.connection.endpoint().map_or(0, |endpoint| endpoint.unsent_bytes())
    }

    /// The peer can still be told something.
    pub fn is_connected(&self) -> bool {
        !self.peer.is_closed()
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Caller({})", self.remote())
    }
}

impl Call {
    /// The answer. Dropped if the call has been cancelled meanwhile, or its connection has ended.
    pub fn reply(self, result: Result<Answer, CallError>) {
        let Call { arguments, caller, responder, .. } = self;
        let object = responder.inbound.object.clone();
        responder.answer(result);
        object.let_go_of(arguments, &caller.peer);
    }

    /// The type that the result is declared with. Another value is converted to it.
    pub fn result_type(&self) -> &Signature {
        &self.responder.declared
    }

    /// The object that is called: what its methods emit signals of and set properties of.
    pub fn object(&self) -> &Object {
        &self.responder.inbound.object
    }

    /// Nobody wants the answer any more: the caller has cancelled the call, or is gone. Who notices may stop and answer
    /// [`CallError::Canceled`].
    pub fn is_canceled(&self) -> bool {
        self.responder.inbound.is_canceled()
    }

    /// Has `notice` called when that happens; at once if it has happened. It runs on the thread that reads and must not block.
    /// Dropped uncalled when the call is answered before, and when another takes its place.
    pub fn on_cancel(&self, notice: impl FnOnce() + Send + 'static) {
        self.cancellation().on_cancel(notice);
    }

    /// For who is to be told of it and does not have the call.
    pub fn cancellation(&self) -> Cancellation {
        Cancellation(Arc::clone(&self.responder.inbound))
    }

    /// Whether nobody will see the answer: a Post.
    pub fn is_post(&self) -> bool {
        self.responder.inbound.post
    }

    /// The peer's object that an argument refers to. It is released when its last handle is dropped, and with the call if
    /// nobody asks for it.
    pub fn remote(&self, argument: &Value) -> Option<Remote> {
        let Value::Object(object) = argument else { return None };
        let address = Address { service: object.service, object: object.object };
        self.responder.remotes.iter().find(|remote| remote.address() == address).cloned()
    }
}

impl Cancellation {
    /// As [`Call::on_cancel`]; `notice` is dropped at once if the call has been answered.
    pub fn on_cancel(&self, notice: impl FnOnce() + Send + 'static) {
        self.0.on_cancel(Box::new(notice));
    }
}

impl Responder {
    pub fn new(inbound: Arc<InboundCall>, declared: Signature, wanted: Option<Signature>) -> Responder {
        let begun = inbound.object.0.instrumentation.begin();
        Responder { inbound, declared, wanted, begun, traced: None, remotes: Vec::new(), answered: false }
    }

    pub fn answer(mut self, result: Result<Answer, CallError>) {
        self.finish(result);
    }

    fn finish(&mut self, result: Result<Answer, CallError>) {
        self.answered = true;
        self.send(result);
        self.inbound.peer.answered();
    }

    fn send(&self, result: Result<Answer, CallError>) {
        let inbound = &self.inbound;
        inbound.object.trace_answer((&inbound.header, self.traced), self.begun.as_ref(), &result);
        if !inbound.claim() || inbound.post {
            return;
        }
        let peer = &inbound.peer;
        match result {
            Ok(answer) => self.reply(answer),
            Err(CallError::Canceled) => peer.answer(peer.canceled(&inbound.header)),
            Err(error) => peer.answer(Message::error_to(&inbound.header, &error.text_for_peer())),
        }
    }

    fn reply(&self, answer: Answer) {
        let Responder { inbound, declared, wanted, remotes, .. } = self;
        let Some(held) = inbound.object.hold_for_answer(inbound, &answer.value) else {
            return send_answer(inbound, (declared, wanted.as_ref()), remotes, answer);
        };
        let (inbound, types, remotes) = (Arc::clone(inbound), (declared.clone(), wanted.clone()), remotes.clone());
        let common = Arc::clone(&inbound.peer.common);
        common.apart(inbound.peer.id(), move || {
            send_answer(&inbound, (&types.0, types.1.as_ref()), &remotes, answer);
            drop(held);
        });
    }
}

/// Writes an answer in the declared type, or the wanted one, and sends it.
fn send_answer(
    inbound: &InboundCall,
    (declared, wanted): (&Signature, Option<&Signature>),
    remotes: &[Remote],
    answer: Answer,
) {
    let (peer, header) = (&inbound.peer, &inbound.header);
    let shared = peer.shared();
    let wanted = wanted.filter(|_| shared.message_flags);
    let written = Exported::new(peer, header.service, answer.passing_on(remotes)).and_then(|exported| {
        let (value, exported) = exported.into_parts();
        match write_result(&mut Writer::new(shared), value, declared, wanted) {
            Ok((payload, flags)) => {
                exported.keep();
                Ok(Message::reply_to(header, payload).with_flags(flags))
            }
            Err(error) => Err(format!("bad result: {error}")),
        }
    });
    peer.answer(written.unwrap_or_else(|text| Message::error_to(header, &text)));
}

impl Drop for Responder {
    fn drop(&mut self) {
        if !self.answered {
            let panicked = std::thread::panicking();
            self.finish(Err(if panicked { "The method panicked." } else { "The method did not answer." }.into()));
        }
    }
}
