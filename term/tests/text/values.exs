# Structs, strings, and what the limits do to them.
defmodule Point do defstruct [:x, :y] end
defmodule Shape.Nested_1 do defstruct [:inner, :name, other: []] end
defmodule Empty do defstruct [] end
defmodule Oops do defexception [:message] end
point = struct(Point, x: 1, y: 'abc')
Enum.each([point, struct(Empty), struct(Shape.Nested_1, inner: point, name: "n"), [point, point], %{point => point}, %{a: point},
  [a: point], {point}, struct(Oops, message: "m"),
  %{__struct__: 1}, %{__struct__: "Foo", a: 1}, %{:__struct__ => 1, 2 => 3},
  "\#{x}", "\\", "\"", "'", '\'', '"', '\#{x}', 'a\\b', "\a\b\d\e\f\n\r\t\v\0", '\a\b\e\f\n\r\t\v', "é", "\u0085", "\uFEFF", "a\uFFFEb",
  "\u200B", "\u{10FFFF}", "日本", <<255>>, <<0>>, "a" <> <<255>>, <<1::3>>, <<"abc", 1::1>>, <<0::16, 1::2>>, "",
  String.duplicate("x", 4095), String.duplicate("x", 4096), String.duplicate("x", 4097), String.duplicate("é", 5000),
  String.duplicate("x", 4096) <> <<255>>, String.duplicate("x", 4095) <> <<255>>, List.duplicate(?x, 4096), List.duplicate(?x, 4097),
  List.duplicate(?x, 4096) ++ [200], :binary.copy(<<255>>, 49), :binary.copy(<<255>>, 50), :binary.copy(<<255>>, 51),
  Enum.to_list(1..49), Enum.to_list(1..50), Enum.to_list(1..51), List.to_tuple(Enum.to_list(1..60)), Map.new(1..60, &{&1, &1}),
  Enum.map(1..60, &{:k, &1}), Enum.map(1..10, fn _ -> Enum.to_list(1..20) end), {1, {2, {3, {4, {5, {6, 7}}}}}},
  [1, [2, [3, [4, [5, [6, 7]]]]]], %{a: %{b: %{c: %{d: %{e: %{f: 1}}}}}}, [1 | 2], [1, 2 | 3], [1, 2, 3, 4, 5 | 6], [[] | []], [1, 2, 3, 4 | 6],
  [a: 1, b: 2] ++ [3], [{:a, 1} | :b], [{Foo, 1}], [{:a, 1}, {Foo, 2}], %{Foo => 1}, %{Foo => 1, a: 2}, [{:a, 1, 2}], [{"a", 1}],
  %{1 => 2, "a" => :b}, %{[] => %{}}, 1.0e10, 1.0e15, 1.0e16, 123456789012345.0, 0.1, -1.0, -0.0, 1.0e-5, 12345.678, 1.5e300, 9007199254740993.0,
  &Enum.map/2, &:lists.map/2, self(), make_ref(), hd(:erlang.ports())
], show)
