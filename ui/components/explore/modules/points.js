// All points in one draw call of WebGL2. What a point is to people decides its size and how far in front it is.

export const STATE = { aside: 0, plain: 1, listed: 2, picked: 3 };

const VERTEX = `#version 300 es
in vec2 place;
in vec4 colour;
in float state;
uniform vec2 centre;
uniform vec2 scale;
uniform float size;
uniform vec4 aside;
uniform bool listing;
out vec4 tint;
flat out float rim;
void main() {
  bool out_ = state < 0.5;
  bool picked = state > 2.5;
  bool back = listing && state < 1.5;
  gl_Position = vec4((place - centre) * scale, out_ ? 0.9 : back ? 0.6 : picked ? 0.0 : 0.3, 1.0);
  gl_PointSize = out_ ? max(1.0, size * 0.7) : picked ? size * 1.6 + 2.0 : size;
  tint = out_ ? aside : vec4(colour.rgb, back ? 0.28 : 1.0);
  rim = picked ? 1.0 : 0.0;
}`;

const FRAGMENT = `#version 300 es
precision highp float;
in vec4 tint;
flat in float rim;
uniform vec4 strong;
uniform float size;
out vec4 shown;
void main() {
  vec2 off = gl_PointCoord - 0.5;
  float away = length(off) * 2.0;
  if (size > 2.5 || rim > 0.5) {
    if (away > 1.0) discard;
    shown = rim > 0.5 && away > 0.62 ? strong : tint;
    shown.a *= 1.0 - smoothstep(0.82, 1.0, away);
  } else {
    shown = tint;
  }
  shown.rgb *= shown.a;
}`;

// How many numbers of what type, whether they become 0 to 1, and the bytes of one point.
const SHAPES = {
  place: [2, "FLOAT", false, 8],
  colour: [4, "UNSIGNED_BYTE", true, 4],
  state: [1, "UNSIGNED_BYTE", false, 1],
};

export class NoWebGL extends Error {}

export class Points {
  #buffers = {};
  #count = 0;

  constructor(canvas) {
    this.canvas = canvas;
    const gl = canvas.getContext("webgl2", { antialias: false, alpha: true, premultipliedAlpha: true });
    if (!gl) throw new NoWebGL();
    this.gl = gl;
    this.#build();
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => { this.#build(); this.lost?.(); });
  }

  #build() {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
    gl.useProgram(program);
    this.uniform = Object.fromEntries(["centre", "scale", "size", "aside", "strong", "listing"]
      .map((name) => [name, gl.getUniformLocation(program, name)]));
    this.program = program;
    for (const name of Object.keys(SHAPES)) {
      this.#buffers[name] = gl.createBuffer();
      gl.enableVertexAttribArray(gl.getAttribLocation(program, name));
    }
    this.#step(1);
    gl.enable(gl.DEPTH_TEST);
    gl.depthFunc(gl.LEQUAL);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.clearColor(0, 0, 0, 0);
  }

  // Draw every so-manieth point only.
  #step(every) {
    const { gl } = this;
    for (const [name, [size, type, normalised, bytes]] of Object.entries(SHAPES)) {
      gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffers[name]);
      gl.vertexAttribPointer(gl.getAttribLocation(this.program, name), size, gl[type], normalised, every * bytes, 0);
    }
    this.every = every;
  }

  // "place": Float32Array [2n], "colour": Uint8Array [4n], "state": Uint8Array [n].
  set(name, array) {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffers[name]);
    gl.bufferData(gl.ARRAY_BUFFER, array, gl.DYNAMIC_DRAW);
    if (name === "state") this.#count = array.length;
  }

  // camera: {x, y, zoom} with zoom in pixels of the screen a unit of the plane; every: 1 = all points, at most 16.
  draw(camera, { size, aside, strong, listing, every }) {
    const { gl, canvas, uniform } = this;
    if (every !== this.every) this.#step(every);
    const pixels = canvas.width / (canvas.clientWidth || 1);
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.uniform2f(uniform.centre, camera.x, camera.y);
    gl.uniform2f(uniform.scale, 2 * camera.zoom / canvas.clientWidth, 2 * camera.zoom / canvas.clientHeight);
    gl.uniform1f(uniform.size, size * pixels);
    gl.uniform4fv(uniform.aside, aside);
    gl.uniform4fv(uniform.strong, strong);
    gl.uniform1i(uniform.listing, listing ? 1 : 0);
    gl.drawArrays(gl.POINTS, 0, Math.floor(this.#count / every));
  }
}
