export * from './qi.js';
