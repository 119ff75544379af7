import qi from './index.js';

export const {
  connect, serve, Session, RemoteObject, RemoteSignal, RemoteProperty, Signal, Property, MillraceError, context, typed, tuple,
} = qi;
export default qi;
