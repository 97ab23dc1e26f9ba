/* Marks, lines and the graticule as one custom layer of MapLibre: their places go to the graphics card once, and
   MapLibre's own shader code puts them on the globe or into Mercator. No worker, no tiles. */
(function () {
  "use strict";
  const areo = (window.areographer = window.areographer || {});
  const RAD = Math.PI / 180;
  const MARKS = ["disc", "square", "triangle", "diamond"];
  const DARK = [11 / 255, 14 / 255, 19 / 255];
  const WHITE = [1, 1, 1];
  const OWN = new Set(["graticule", "selected"]); // names of segments that belong to no layer

  const POINTS = [`
in vec2 a_at;
in float a_p;
uniform float u_shift, u_size;
out float v_p;
void main() {
  gl_Position = projectTile(a_at + vec2(u_shift, 0.0));
  gl_PointSize = u_size;
  v_p = a_p;
}`, `
precision highp float;
uniform vec4 u_fill, u_line;
uniform float u_size, u_radius, u_width, u_fade;
uniform int u_mark;
in float v_p;
out vec4 colour;
float edge(vec2 p) {
  if (u_mark == 1) return max(abs(p.x), abs(p.y)) / 0.886;
  if (u_mark == 2) { float up = 0.31 - p.y; return max(-up, abs(p.x) * 0.866 + up * 0.5) / 0.62; }
  if (u_mark == 3) return (abs(p.x) + abs(p.y)) / 1.1;
  return length(p);
}
void main() {
  float off = (edge((gl_PointCoord * 2.0 - 1.0) * 0.5 * u_size / u_radius) - 1.0) * u_radius;
  float whole = clamp(0.5 - off + 0.5 * u_width, 0.0, 1.0);
  float inner = clamp(0.5 - off - 0.5 * u_width, 0.0, 1.0);
  vec4 ink = mix(vec4(u_line.rgb * u_line.a, u_line.a), vec4(u_fill.rgb * u_fill.a, u_fill.a), inner);
  colour = ink * whole * (0.3 + 0.65 * v_p) * u_fade;
}`];

  const LINES = [`
in vec2 a_from, a_to;
in float a_p;
uniform float u_shift, u_width;
uniform vec2 u_half;
out float v_p, v_side;
void main() {
  vec4 from = projectTile(a_from + vec2(u_shift, 0.0)), to = projectTile(a_to + vec2(u_shift, 0.0));
  vec2 along = (to.xy / to.w - from.xy / from.w) * u_half;
  along = length(along) > 0.0001 ? normalize(along) : vec2(1.0, 0.0);
  bool end = (gl_VertexID & 1) == 1;
  v_side = gl_VertexID > 1 ? 1.0 : -1.0;
  v_side *= 0.5 * u_width + 0.5;
  vec4 here = end ? to : from;
  here.xy += vec2(-along.y, along.x) * v_side / u_half * here.w;
  gl_Position = here;
  v_p = a_p;
}`, `
precision highp float;
uniform vec4 u_line;
uniform float u_width, u_fade;
in float v_p, v_side;
out vec4 colour;
void main() {
  float whole = clamp(0.5 + 0.5 * u_width - abs(v_side), 0.0, 1.0);
  colour = vec4(u_line.rgb * u_line.a, u_line.a) * whole * (0.3 + 0.65 * v_p) * u_fade;
}`];

  const channels = (colour) => [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16) / 255);
  const x = (lon) => lon / 360 + 0.5;
  const y = (lat) => 0.5 - Math.asinh(Math.tan(Math.max(-89.99, Math.min(89.99, lat)) * RAD)) / (2 * Math.PI);
  const strength = (p) => (Number.isNaN(p) ? 1 : p);

  function pointData(layer) {
    const rows = layer.lon.length, marks = layer.shapes ? layer.shapes.has.reduce((sum, has) => sum + !has, 0) : rows;
    const data = new Float32Array(3 * marks);
    for (let i = 0, k = 0; i < layer.lon.length; i++) {
      if (!areo.isPoint(layer, i)) continue;
      data[k++] = x(layer.lon[i]); data[k++] = y(layer.lat[i]); data[k++] = strength(layer.probability[i]);
    }
    return data;
  }

  // Also how many segments the rows before each have: rows beyond a threshold are the last ones.
  function outlineData(layer) {
    const data = [], before = new Uint32Array(layer.lon.length + 1);
    areo.segments(layer, (west, south, east, north, i) => {
      data.push(x(west), y(south), x(east), y(north), strength(layer.probability[i]));
      before[i + 1] = data.length / 5;
    });
    for (let i = 0; i < layer.lon.length; i++) before[i + 1] = Math.max(before[i], before[i + 1]);
    return { data: Float32Array.from(data), before };
  }

  /** Segments of polylines of [lon, lat], each [from x, y, to x, y, strength]. */
  areo.pathData = function (paths) {
    const data = [];
    for (const { path, strength: p } of paths) {
      for (let k = 1; k < path.length; k++) data.push(x(path[k - 1][0]), y(path[k - 1][1]), x(path[k][0]), y(path[k][1]), p);
    }
    return Float32Array.from(data);
  };

  /** The custom layer. look() gives {radius, ratio}: of marks in CSS pixels, and device pixels in one of them. */
  areo.marksLayer = function (state, look) {
    const programs = new Map(), buffers = new Map(), pending = new Map(), segments = new Map();
    let gl, map;

    function compile(shader, sources, which) {
      const key = `${shader.variantName} ${which}`;
      if (programs.has(key)) return programs.get(key);
      const program = gl.createProgram();
      [`#version 300 es\n${shader.vertexShaderPrelude}\n${shader.define}\n${sources[0]}`, `#version 300 es${sources[1]}`].forEach((source, k) => {
        const part = gl.createShader(k ? gl.FRAGMENT_SHADER : gl.VERTEX_SHADER);
        gl.shaderSource(part, source);
        gl.compileShader(part);
        if (!gl.getShaderParameter(part, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(part));
        gl.attachShader(program, part);
      });
      gl.linkProgram(program);
      const known = { program, at: {} };
      for (let k = 0; k < gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS); k++) {
        const { name } = gl.getActiveUniform(program, k);
        known.at[name] = gl.getUniformLocation(program, name);
      }
      programs.set(key, known);
      return known;
    }

    function use(args, sources, which) {
      const { program, at } = compile(args.shaderData, sources, which), projection = args.defaultProjectionData;
      gl.useProgram(program);
      gl.uniformMatrix4fv(at.u_projection_matrix, false, projection.mainMatrix);
      if (at.u_projection_fallback_matrix) gl.uniformMatrix4fv(at.u_projection_fallback_matrix, false, projection.fallbackMatrix);
      if (at.u_projection_tile_mercator_coords) gl.uniform4f(at.u_projection_tile_mercator_coords, ...projection.tileMercatorCoords);
      if (at.u_projection_clipping_plane) gl.uniform4f(at.u_projection_clipping_plane, ...projection.clippingPlane);
      if (at.u_projection_transition) gl.uniform1f(at.u_projection_transition, projection.projectionTransition);
      return { program, at };
    }

    function attributes(program, names, sizes, stride, each) {
      let offset = 0;
      names.forEach((name, k) => {
        const place = gl.getAttribLocation(program, name);
        gl.enableVertexAttribArray(place);
        gl.vertexAttribPointer(place, sizes[k], gl.FLOAT, false, stride, offset);
        gl.vertexAttribDivisor(place, each);
        offset += 4 * sizes[k];
      });
      return () => names.forEach((name) => { const place = gl.getAttribLocation(program, name); gl.vertexAttribDivisor(place, 0); gl.disableVertexAttribArray(place); });
    }

    /** In Mercator the world repeats to both sides. */
    function repeated(args, at, draw) {
      for (const shift of args.shaderData.variantName === "mercator" ? [0, -1, 1] : [0]) { gl.uniform1f(at.u_shift, shift); draw(); }
    }

    function bind(name) {
      if (pending.has(name)) {
        const old = buffers.get(name);
        if (old) gl.deleteBuffer(old.buffer);
        const data = pending.get(name), made = gl.createBuffer();
        gl.bindBuffer(gl.ARRAY_BUFFER, made);
        gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
        buffers.set(name, { buffer: made, length: data.length });
        pending.delete(name);
      }
      const known = buffers.get(name);
      if (!known || !known.length) return 0;
      gl.bindBuffer(gl.ARRAY_BUFFER, known.buffer);
      return known.length;
    }

    function lines(args, name, ink, fade, most = Infinity) {
      const length = Math.min(bind(name), 5 * most);
      if (!length) return;
      const { program, at } = use(args, LINES, "lines"), { ratio } = look();
      const undo = attributes(program, ["a_from", "a_to", "a_p"], [2, 2, 1], 20, 1);
      gl.uniform2f(at.u_half, gl.drawingBufferWidth / 2, gl.drawingBufferHeight / 2);
      gl.uniform1f(at.u_fade, fade);
      for (const [colour, alpha, width] of ink) {
        gl.uniform4f(at.u_line, ...colour, alpha);
        gl.uniform1f(at.u_width, width * ratio);
        repeated(args, at, () => gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, length / 5));
      }
      undo();
    }

    function points(args, layer) {
      const length = Math.min(bind(layer.id), 3 * layer.points);
      if (!length) return 0;
      const { program, at } = use(args, POINTS, "points"), { radius, ratio } = look();
      const undo = attributes(program, ["a_at", "a_p"], [2, 1], 12, 0);
      const { fill, line, width } = areo.markInk(layer, radius);
      gl.uniform4f(at.u_fill, ...(fill ? [...channels(fill), 1] : [0, 0, 0, 0]));
      gl.uniform4f(at.u_line, ...channels(line), 1);
      gl.uniform1f(at.u_radius, radius * ratio);
      gl.uniform1f(at.u_width, width * ratio);
      gl.uniform1f(at.u_size, 2 * (1.2 * radius * ratio + width * ratio + 1));
      gl.uniform1f(at.u_fade, areo.fade(state, layer));
      gl.uniform1i(at.u_mark, MARKS.indexOf(layer.mark));
      repeated(args, at, () => gl.drawArrays(gl.POINTS, 0, length / 3));
      undo();
      return length / 3;
    }

    return {
      id: "areo-marks",
      type: "custom",
      drawn: 0, // marks in the latest frame, those behind the globe included
      waiting: true, // for the ground: frames without it need no marks either
      /** New segments under a name: "graticule" or "selected". */
      set(name, data) { pending.set(name, data); map?.triggerRepaint(); },
      onAdd(owner, context) {
        map = owner; gl = context;
        this.setLayers();
      },
      /** The layers of the payload instead of those before. */
      setLayers() {
        for (const name of [...pending.keys(), ...buffers.keys()].filter((one) => !OWN.has(one))) {
          pending.delete(name);
          if (buffers.has(name)) gl.deleteBuffer(buffers.get(name).buffer);
          buffers.delete(name);
        }
        for (const layer of state.payload.layers) {
          pending.set(layer.id, pointData(layer));
          if (!layer.shapes) continue;
          const { data, before } = outlineData(layer);
          pending.set(`outline ${layer.id}`, data);
          segments.set(layer.id, before);
        }
        map?.triggerRepaint();
      },
      render(context, args) {
        this.waiting &&= !map.areTilesLoaded();
        if (this.waiting) return;
        const shown = areo.stack(state);
        if (state.graticule) lines(args, "graticule", [[WHITE, 0.34, 1]], 1);
        for (const layer of shown) {
          if (layer.shapes) lines(args, `outline ${layer.id}`, [[DARK, 0.7, 3.2], [channels(layer.colour), 1, 1.7]], areo.fade(state, layer), segments.get(layer.id)[layer.shown]);
        }
        this.drawn = shown.reduce((sum, layer) => sum + points(args, layer), 0);
        lines(args, "selected", [[DARK, 0.8, 3.4], [WHITE, 1, 1.7]], 1);
      },
      onRemove() {
        for (const { buffer } of buffers.values()) gl.deleteBuffer(buffer);
        for (const { program } of programs.values()) gl.deleteProgram(program);
      },
    };
  };
})();
