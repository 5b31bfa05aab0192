"""The operations of TensorFlow that TensorFlow.js runs, of those that the converter can write."""

from __future__ import annotations

# As listed by @tensorflow/tfjs-converter 4.22.0, and with a kernel in @tensorflow/tfjs-backend-wasm.
_NAMES = """
Abs Add AddV2 All Any AvgPool BatchMatMulV2 BatchToSpaceND BiasAdd Cast Ceil ClipByValue ConcatV2
Const Conv2D Cos DepthToSpace DepthwiseConv2dNative Elu Equal Erf Exp ExpandDims Fill Floor Greater
GreaterEqual Identity LeakyRelu Less LessEqual Log Log1p LogicalAnd LogicalNot LogicalOr MatMul Max
MaxPool Maximum Mean Min Minimum MirrorPad Mul Neg NotEqual Pack Pad PadV2 Placeholder Pow Prod
RealDiv Reciprocal Relu Relu6 Reshape ReverseV2 Rsqrt Select SelectV2 Selu Shape Sigmoid Sign Sin
Slice Softmax Softplus SpaceToBatchND Split SplitV Sqrt Square SquaredDifference Squeeze
StridedSlice Sub Sum Tanh Tile Transpose Unpack ZerosLike
"""
KNOWN = frozenset(_NAMES.split())
