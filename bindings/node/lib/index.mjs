import millrace from './index.js';

export const {
  Messages, Socket, Context, ReqContext, SubContext, SurveyorContext, Monitor, Pair, Pub, Sub, Req, Rep, Push, Pull, Surveyor, Respondent, Bus, Endpoint, MillraceError, device,
} = millrace;
export default millrace;
