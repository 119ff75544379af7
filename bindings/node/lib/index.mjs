import millrace from './index.js';

export const {
  Socket, Pair, Pub, Sub, Req, Rep, Push, Pull, Surveyor, Respondent, Bus, Endpoint, MillraceError, device,
} = millrace;
export default millrace;
