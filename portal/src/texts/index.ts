/** All that the portal says, in English; a translation replaces the modules of this folder. */
import { common } from "./common";
import { compare } from "./compare";
import { errors } from "./errors";
import { exports_ } from "./exports";
import { frame } from "./frame";
import { images } from "./images";
import { performance } from "./performance";
import { photo } from "./photo";
import { predictions } from "./predictions";
import { projects } from "./projects";
import { publish } from "./publish";
import { quickTest } from "./quick-test";
import { server } from "./server";
import { settings } from "./settings";
import { signIn } from "./sign-in";
import { suggested } from "./suggested";
import { activity, training } from "./training";
import { upload } from "./upload";

export const texts = {
  activity,
  common,
  compare,
  errors,
  exports: exports_,
  frame,
  images,
  performance,
  photo,
  predictions,
  projects,
  publish,
  quickTest,
  server,
  settings,
  signIn,
  suggested,
  training,
  upload,
};
